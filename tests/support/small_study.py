"""A small study with every kind of result that a report page shows; runs in seconds."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tiny import write

from eigencode.report import StudyRun
from eigencode.study import Store, execute, plan, read_study, results as study_results, rows
from eigencode.study._claims import verdicts
from eigencode.study.plan import check_sizes
from eigencode.study.read import study

MORE = """
[[landscapes]]
name = "plane"
points = 6
relative = true
radius = 1.0

[[claims]]
statement = "training helps"
quantity = "test accuracy"
model = "BP"
other = "Init"
published = "elsewhere: 0.9 > 0.1"

[[claims]]
statement = "the local rule is more robust"
quantity = "critical size, FGSM"
model = "KH"
other = "BP"
"""

WIDTHS = ('name = "α images"\nwindow = [2, 8]', 'name = "α images"\nwindow = [2, 8]\nwidths = [6, 12]')


def planned(*overrides: str, **raw: Any) -> object:
    """The plan of a study of one small network, with `--set` overrides and further keys."""
    models = {"A": {"kind": "krotov_hopfield", "units": 6, "local": {"epochs": 1}}}
    chosen = study({"name": "x", "data": "digits", "models": models, **raw}, overrides)
    check_sizes(chosen)
    return plan(chosen)


def finished(folder: Path, *overrides: str) -> StudyRun:
    """Run the study in `folder` with `--set` overrides, and write its results but no figures and no page."""
    path = write(folder, WIDTHS)
    path.write_text(path.read_text("utf-8") + MORE, encoding="utf-8")
    chosen = read_study(path, list(overrides))
    cells, store = plan(chosen), Store(folder / "store")
    assert execute([c.step for c in cells], store).ok
    found = rows(chosen, cells, store)
    judged = [asdict(v) for v in verdicts(chosen, found)]
    more = {"claims": judged, "provenance": {"versions": {"torch": "2"}}, "seconds": 1.0}
    target = folder / "store" / "reports" / chosen.name
    study_results.write(target, chosen, cells, found, more)
    return StudyRun(target, folder / "store")
