"""Figures of studies in which numbers are missing or infinite, or whose models differ much."""

import math
from pathlib import Path

import pytest

from eigencode.report import StudyRun
from eigencode.report._table import _claims
from eigencode.report.figures.seeds import seeds
from eigencode.report.figures.tradeoff import tradeoff
from eigencode.report.view import MODELS, View, marker_of
from eigencode.study import Row, plan, results as study_results
from eigencode.study.read import study

SIZE = "critical size, PGD"


def shown(folder: Path, numbers: dict[tuple[str, str], list[float]]) -> View:
    """A page of rows with these values per model and quantity, one per seed, and intervals of ± 1 %."""
    models = {name: {"recipe": "Init", "units": 5} for name, _ in numbers}
    attack = {"name": SIZE, "attack": {"name": "PGD"}}
    chosen = study({"name": "x", "data": "digits", "seeds": [0, 1, 2], "models": models, "critical": [attack]})
    rows = [
        Row("digits", model, seed, quantity, value, value * 0.99, value * 1.01, "", "")
        for (model, quantity), values in numbers.items()
        for seed, value in enumerate(values)
    ]
    study_results.write(folder, chosen, plan(chosen), rows, {"relations": [], "claims": [], "deviations": []})
    return View([StudyRun(folder, folder)])


def test_an_attack_that_breaks_inaccurate_models_only_has_its_panel(tmp_path: Path) -> None:
    numbers = {(m, "test accuracy"): [0.95, 0.951, 0.949] for m in ("A", "B")}
    numbers |= {(m, SIZE): [math.inf] * 3 for m in ("A", "B")}
    numbers |= {("Init", "test accuracy"): [0.1, 0.11, 0.09], ("Init", SIZE): [0.2, 0.3, 0.4]}
    numbers |= {(m, f"{SIZE}, eps"): [0.1, 0.2, 0.3] for m in ("A", "B", "Init")}
    view = shown(tmp_path, numbers)
    (plot,) = tradeoff(view, "digits")
    plot.finish()
    assert {m["series"].model for m in plot.marks} == {"Init"}


@pytest.mark.parametrize("odd", [math.inf, math.nan])
def test_the_bar_of_the_seeds_is_the_mean_of_the_table(tmp_path: Path, odd: float) -> None:
    """Not that of the seeds that have a finite number."""
    view = shown(tmp_path, {("A", "test accuracy"): [0.5, 0.6, odd], ("B", "test accuracy"): [0.5, 0.6, 0.7]})
    (plot,) = seeds(view, "digits")
    (axes,) = plot.panels
    bars = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    means = [float(x[0]) for x in bars if x[0] == x[1]]
    assert [round(m, 3) for m in means] == ([0.55, 0.6] if math.isnan(odd) else [0.6])
    assert len([x for x in bars if x[0] != x[1]]) == 1  # the interval of B; that of A has no ends


def test_thirty_models_have_looks_of_their_own() -> None:
    assert len({(MODELS[i % len(MODELS)], marker_of(i)) for i in range(30)}) == 30


def test_the_table_of_claims_about_several_data_says_which() -> None:
    claim = {"statement": "s", "compared": "", "value": 1.0, "low": 0.5, "high": 1.5, "published": "", "seeds": 2}
    claim |= {"verdict": "reproduced", "p": 0.01, "p_holm": 0.01}
    for data, first in ((["digits", "mnist"], "data"), (["digits", "digits"], "claim")):
        table = _claims({"claims": [{**claim, "data": d} for d in data]})
        assert table.columns[0].header == first
