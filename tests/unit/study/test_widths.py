"""Spectra of nested sets of units in a study: measured once, shown in a figure, no number of the table."""

from collections.abc import Callable
from pathlib import Path

import torch
from tiny import write

from eigencode.report import StudyRun, build
from eigencode.spectra import Spectrum
from eigencode.study import Store, execute, plan, read_study, rows
from eigencode.study.results import write as write_results

WIDE = ("window = [2, 8]", "window = [2, 8]\nwidths = [6, 12, 99]")


def test_widths_of_a_study(tmp_path: Path, only_figure: Callable[[str], None]) -> None:
    only_figure("widths")
    study = read_study(
        write(tmp_path, WIDE), ["seeds=[0]", 'models={BP={recipe="BP", units=12, supervised={epochs=1}}}']
    )
    cells = plan(study)
    wide = [c for c in cells if c.kind == "widths"]
    assert [(c.model, c.quantity) for c in wide] == [("BP", "α images, by width"), ("BP", "α noise, by width")]
    store = Store(tmp_path / "store")
    goals = [c.step for c in cells if c.kind in ("widths", "spectrum", "accuracy")]
    assert execute(goals, store).ok
    folder = store.folder(wide[0].step)
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["width-12", "width-6"]
    whole = next(c for c in cells if c.kind == "spectrum" and c.model == "BP" and c.quantity == "α images")
    one, other = Spectrum.load(folder / "width-12"), Spectrum.load(store.folder(whole.step))
    torch.testing.assert_close(one.eigenvalues, other.eigenvalues, rtol=1e-6, atol=1e-12)
    found = rows(study, cells, store)
    assert not any("by width" in r.quantity for r in found)
    report = tmp_path / "store" / "reports" / "tiny"
    write_results(report, study, cells, found, {"provenance": {}, "seconds": 0.0})
    build(StudyRun(report, tmp_path / "store"))
    assert (report / "figures" / "widths.svg").is_file()
    drawn = (report / "figures" / "widths.svg").read_text(encoding="utf-8")
    for told in ("6 units", f"12 units, α {one.power_law((2, 6)).alpha:.2f}"):
        assert f">{told}<" in drawn
