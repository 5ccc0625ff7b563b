"""Numbers of snapshots change nothing that is shown or judged about the finished networks."""

import copy
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from eigencode.report import StudyRun, build
from eigencode.report._table import show
from eigencode.report.figures import FIGURES
from eigencode.report.figures.moments import training_moments
from eigencode.report.view import View
from eigencode.study import Row
from eigencode.study._integrity import signed
from eigencode.study._paired import margin

ABSURD = {"value": 1e6, "low": 9e5, "high": 2e6, "mean": 1e6, "spread": 1.0, "seed": 77, "warnings": ["absurd"]}


def beside_snapshots(run: StudyRun, folder: Path) -> StudyRun:
    """The same results with a snapshot of everything, of absurd numbers, before the entries of the finished networks.

    The cells lead to the records of other models, so that a figure which draws one of them differs.
    """
    results = json.loads((run.folder / "results.json").read_text("utf-8"))
    for name in ("cells", "rows", "summary"):
        early = copy.deepcopy(results[name])
        for entry, other in zip(early, reversed(results[name]), strict=True):
            entry |= {k: v for k, v in ABSURD.items() if k in entry} | {"epoch": 0.5, "step": 3}
            entry |= {k: other[k] for k in ("key", "kind", "part", "network", "read") if name == "cells"}
        results[name] = early + results[name]
    shutil.copytree(run.folder, folder)
    (folder / "results.json").write_text(json.dumps(signed(results)), "utf-8")
    return replace(run, folder=folder)


def drawn(run: StudyRun) -> dict[str, bytes]:
    build(run)
    found = {p.name: p.read_bytes() for p in run.folder.glob("figures/*.[cs]*")}
    out = io.StringIO()
    show(run.results, Console(file=out, width=200))
    page = (run.folder / "report.html").read_bytes()
    return {**found, "table": out.getvalue().encode(), "page": page}


def test_tables_figures_and_page_are_those_of_the_finished_networks(
    run: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("moments", "course", "trajectory"):
        monkeypatch.delitem(FIGURES, name)
    found, wanted = drawn(beside_snapshots(run, tmp_path / "other")), drawn(run)
    assert len(wanted) > 10
    assert {name for name in wanted if found.get(name) != wanted[name]} == set()
    assert set(found) == set(wanted)


def test_results_without_their_records_have_no_figure_of_spectra_in_time(tmp_path: Path) -> None:
    published = Path(__file__).parents[3] / "published" / "dynamics"
    view = View([StudyRun(published, tmp_path)])
    assert list(training_moments(view, "mnist5k")) == []
    assert view.quantities("spectrum", "mnist5k") != []


def test_a_claim_is_about_the_finished_network() -> None:
    rows = [Row("d", m, s, "q", v + s, v, v + 2, "", "key") for m, v in (("A", 1.0), ("B", 2.0)) for s in (0, 1)]
    early = [replace(r, value=-r.value, epoch=0.5, step=3) for r in rows]
    assert margin(rows + early, ("A", "q"), ("B", "q")) == margin(rows, ("A", "q"), ("B", "q"))
    assert margin(early, ("A", "q")).seeds == 0
