"""The figures of relations show what results.json says, and their CSV holds every number."""

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest

from eigencode.report import StudyRun
from eigencode.report.build import drawings
from eigencode.report.figures.plot import Plot
from eigencode.report.figures.relations import effects, predictions, relations
from eigencode.report.html._page import page
from eigencode.report.view import View
from eigencode.study import plan, results as study_results
from eigencode.study.read import study
from eigencode.study.relations._related import related
from eigencode.study.results import Row

SIZE, ALPHA = "critical size, PGD", "α images"


@pytest.fixture
def view(tmp_path: Path) -> View:
    """Eighteen networks of six families in which α has the slope 0.5 within and −1 between; one is censored."""
    models = {f"M{i}": {"recipe": "Init", "units": 60, "family": f"F{i % 6}"} for i in range(18)}
    chosen = study(
        {
            **{"name": "x", "data": "digits", "seeds": [0, 1], "models": models},
            "spectra": [{"name": ALPHA, "window": [5, 20]}],
            "critical": [{"name": SIZE, "attack": {"name": "PGD"}}],
            "relations": [
                {
                    "name": "both",
                    "outcome": {"quantity": SIZE, "transform": "log"},
                    "predictors": [ALPHA, "test accuracy"],
                },
                {"name": "one", "outcome": "test accuracy", "predictors": [ALPHA]},
            ],
        }
    )
    rng, found = np.random.default_rng(0), []
    for i, model in enumerate(models):
        for seed in (0, 1):
            family, inside, accuracy = i % 6, (2 * (i // 6) + seed - 2.5) / 2, rng.normal()
            size = math.exp(-family + 0.5 * inside + 0.01 * rng.normal())
            numbers = {ALPHA: family + inside, "test accuracy": accuracy, SIZE: size}
            found += [Row("digits", model, seed, q, v, v, v, "", "") for q, v in numbers.items()]
    found[2] = Row("digits", "M0", 0, SIZE, math.inf, 0.3, math.inf, "", "")
    kept = [r.kept() for r in related(chosen, found)]
    study_results.write(tmp_path, chosen, plan(chosen), found, {"relations": kept, "claims": []})
    return View([StudyRun(tmp_path, tmp_path)])


def table(plot: Plot) -> list[dict[str, str]]:
    plot.finish()
    return list(csv.DictReader(io.StringIO(plot.csv())))


def test_a_family_has_one_colour_in_all_panels_and_in_the_legend(view: View) -> None:
    """Also where a relation lacks a family."""
    run = view.runs[0]
    for one in run.results["relations"]:
        if one["name"] == "one":
            one["points"] = [p for p in one["points"] if p["group"] != "F0"]
    (plot,) = relations(view, "digits")
    plot.finish()
    legend = {str(k.get_label()): k.get_color() for k in plot.keys}
    for i, mark in enumerate(plot.marks):
        family = mark.get("what", "").partition(",")[0]
        drawn = [line for line in mark["axes"].lines if (line.get_gid() or "").startswith(f"mark-{i}-")]
        assert family not in legend or {line.get_color() for line in drawn} == {legend[family]}
    assert len({legend[f"F{i}"] for i in range(6)}) == 6


def test_a_point_per_network_and_both_slopes(view: View) -> None:
    (plot,) = relations(view, "digits")
    assert [axes.get_xlabel() for axes in plot.panels] == [ALPHA, "test accuracy", ALPHA]
    rows = [r for r in table(plot) if (r["panel"], r["x is"]) == ("both", ALPHA)]
    points = [r for r in rows if r["model"]]
    assert len(points) == 36
    assert [r["what"] for r in points if "lower bound" in r["what"]] == ["F0, lower bound"]

    def slope(what: str) -> float:
        (x0, y0), (x1, y1) = ((float(r["x"]), float(r["y"])) for r in rows if r["what"] == what)
        return (y1 - y0) / (x1 - x0)

    for family in range(6):
        assert slope(f"within F{family}") == pytest.approx(0.5, abs=0.05)
    assert slope("between") == pytest.approx(-1, abs=0.05)
    assert [e.get_text() for _, e in plot.entries][-3:] == ["within", "between", "lower bound"]


def test_every_effect_with_its_interval(view: View) -> None:
    (plot,) = effects(view, "digits")
    rows = table(plot)
    kept = view.runs[0].results["relations"][0]["effects"]
    for e in (e for e in kept if e["effect"] in ("pooled", "within", "between")):
        found = [r for r in rows if r["panel"] == "both" and r["what"] == e["effect"]]
        row = found[["α images", "test accuracy"].index(e["predictor"])]
        numbers = [float(row[k]) for k in ("x", "low", "high")]
        np.testing.assert_allclose(numbers, [e[k] for k in ("value", "low", "high")], rtol=1e-4)


def test_measured_beside_predicted(view: View) -> None:
    plot = next(iter(predictions(view, "digits")))
    kept = view.runs[0].results["relations"][0]
    rows = [r for r in table(plot) if r["panel"].startswith("both")]
    np.testing.assert_allclose([float(r["x"]) for r in rows], [p["predicted"] for p in kept["points"]], rtol=1e-4)
    (share,) = (e["value"] for e in kept["effects"] if e["effect"] == "prediction R2")
    assert plot.panels[0].get_title() == f"both: R² = {share:.4g}"


def test_the_page_shows_them(view: View) -> None:
    made = [d for d in drawings(view) if d.name in ("relations", "effects", "predictions")]
    assert [d.name for d in made] == ["relations", "effects", "predictions"]
    whole = page(view, made)
    assert all(f'id="{d.name}"' in whole for d in made)
    models = {mark["m"] for mark in made[0].content["marks"]}
    assert models == {*range(18), len(view.models)}  # the last is no model, so that no switch hides the lines


def test_other_studies_have_no_such_figure(view: View, tmp_path: Path) -> None:
    chosen = study({"name": "y", "data": "digits", "models": {"A": {"recipe": "Init", "units": 60}}})
    study_results.write(tmp_path / "other", chosen, plan(chosen), [], {"claims": []})
    other = View([StudyRun(tmp_path / "other", tmp_path)])
    assert [*relations(other, "digits"), *effects(other, "digits"), *predictions(other, "digits")] == []
