"""Landscapes of a study: the same plane for every model, shown on one scale, no number of the table."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import write

from eigencode.base.errors import StudyError
from eigencode.geometry.maps import Landscape
from eigencode.report import StudyRun, build
from eigencode.report.figures.landscapes import landscapes
from eigencode.report.view import View
from eigencode.study import Store, execute, plan, read_study, rows
from eigencode.study.results import write as write_results

PLANES = """
[[landscapes]]
image = 3
points = 6
radius = 2.0

[[landscapes]]
name = "three"
image = [0, 1, 2]
points = 5
"""
MODELS = 'models={A={recipe="Init", units=8}, B={recipe="BP", units=8, supervised={epochs=1}}}'


def read(folder: Path, planes: str = PLANES) -> object:
    path = write(folder)
    path.write_text(path.read_text(encoding="utf-8") + planes, encoding="utf-8")
    return read_study(path, ["seeds=[0]", MODELS])


def test_landscapes_of_a_study(tmp_path: Path, only_figure: Callable[[str], None]) -> None:
    only_figure("landscapes")
    study = read(tmp_path)
    cells = plan(study)  # type: ignore[arg-type]
    views = [c for c in cells if c.kind == "landscape"]
    assert [(c.model, c.quantity) for c in views] == [(m, q) for m in "AB" for q in ("plane through image 3", "three")]
    store = Store(tmp_path / "store")
    assert execute([c.step for c in views], store).ok
    found = [Landscape.load(store.folder(c.step)) for c in views]
    assert found[0].jacobian.shape == (6, 6)
    torch.testing.assert_close(found[0].u, found[2].u)
    assert found[1].anchors.shape == (3, 2)
    report = tmp_path / "store" / "reports" / "tiny"
    write_results(report, study, cells, rows(study, cells, store), {"provenance": {}, "seconds": 0.0})  # type: ignore[arg-type]
    run = StudyRun(report, tmp_path / "store")
    plot, other = landscapes(View([run]), "digits")
    assert (plot.caption, other.caption) == ("plane through image 3", "three")
    first = [axes.collections[0] for axes in plot.panels[:2]]
    assert first[0].get_clim() == first[1].get_clim()
    assert first[0].get_clim()[1] == pytest.approx(max(float(v.jacobian.max()) for v in (found[0], found[2])), rel=1e-5)
    build(run)
    assert (report / "figures" / "landscapes.svg").is_file()


def test_a_plane_that_cannot_be(tmp_path: Path) -> None:
    study = read(tmp_path, "\n[[landscapes]]\nimage = 60\npoints = 3\n")
    view = next(c for c in plan(study) if c.kind == "landscape")  # type: ignore[arg-type]
    outcome = execute([view.step], Store(tmp_path / "store"))
    assert "no such test image" in next(iter(outcome.failed.values()))
    with pytest.raises(StudyError, match=r"landscapes.0.place: no network has it"):
        plan(read(tmp_path, "\n[[landscapes]]\nplace = 'hidden'\n"))  # type: ignore[arg-type]
