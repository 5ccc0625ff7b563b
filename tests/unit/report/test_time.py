"""Figures of learning in time: the numbers of every snapshot, in order, and one moment at a time."""

import copy
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch
from safetensors.torch import save_file

from eigencode.report import StudyRun
from eigencode.report._numbers import ranged
from eigencode.report.figures._mosaic import first_layer
from eigencode.report.figures._style import save, style
from eigencode.report.figures._time import frames, measured, spans
from eigencode.report.figures.course import courses
from eigencode.report.figures.moments import training_moments
from eigencode.report.figures.plot import Plot
from eigencode.report.figures.trajectory import trajectories
from eigencode.report.html._drawing import Drawing
from eigencode.report.run import arrays
from eigencode.report.view import View
from eigencode.spectra.spectrum import Spectrum

STEPS = [0, 4, 8, 16, 32]
QUANTITIES = ["test accuracy", "α images", "α noise", "critical size, FGSM", "‖J‖"]


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with style():
        yield


@pytest.fixture(scope="session")
def view(learned: StudyRun) -> View:
    return View([learned])


def snapshots(view: View, table: str, **wanted: object) -> list[dict]:
    found = [e for e in view.runs[0].results[table] if e["epoch"] is not None]
    return sorted((e for e in found if wanted.items() <= e.items()), key=lambda e: e["step"])


def finite(values: list[float]) -> list[float | None]:
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values]


def test_a_panel_per_quantity_with_every_seed_and_their_mean(view: View) -> None:
    (plot,) = courses(view, "digits")
    names = [axes.get_title() for axes in plot.panels]
    assert names[:5] == QUANTITIES
    assert {"units converged", "α images, participation ratio", "α noise, RankMe"} < set(names)
    assert {mark["series"].model for mark in plot.marks} == {"KH", "BP"}
    told = {name: snapshots(view, "summary", quantity=name)[0]["convention"][:12] for name in names}
    for axes, name in zip(plot.panels, names, strict=True):
        for model in ("KH", "BP"):
            marks = [m for m in plot.marks if (m["axes"], m["series"].model) == (axes, model)]
            entries = snapshots(view, "summary", model=model, quantity=name)
            if not entries:
                assert (marks, model) == ([], "BP")
                continue
            *thin, mean = marks
            assert mean["x"] == [e["step"] for e in entries] == STEPS[-len(entries) :]
            for key, column in (("y", "mean"), ("low", "low"), ("high", "high")):
                assert mean[key] == finite([e[column] for e in entries])
            assert [m["seed"] for m in thin] == [0, 1]
            for mark in thin:
                rows = snapshots(view, "rows", model=model, quantity=name, seed=mark["seed"])
                assert mark["y"] == finite([r["value"] for r in rows])
                assert all(min(axes.get_ylim()) < v < max(axes.get_ylim()) for v in mark["y"] if v is not None)
        assert axes.get_ylabel().replace("\n", " ").startswith(told[name])
        shown = [v for m in plot.marks if m["axes"] == axes for v in m["y"] if v is not None]
        assert (axes.get_yscale() == "log") == (min(shown) > 0 and max(shown) > 10**1.5 * min(shown))
    assert {axes.get_yscale() for axes in plot.panels} == {"log", "linear"}


def test_step_zero_is_on_the_axis_and_the_page_places_steps_as_the_figure_does(view: View) -> None:
    (plot,) = courses(view, "digits")
    axes = plot.panels[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "4", "32"]
    assert axes.get_xlabel() == "training steps"
    plot.finish().figure.draw_without_rendering()
    low, high, name, linear, decades = plot.content()["panels"][0]["x"]

    def place(v: float) -> float:  # as `along` in figure.js
        return v / linear * decades if v <= linear else decades + math.log10(v / linear)

    shares = [(place(v) - place(low)) / (place(high) - place(low)) for v in STEPS]
    seen = (axes.transData + axes.transAxes.inverted()).transform([(v, 0) for v in STEPS])[:, 0]
    assert (name, linear) == ("symlog", 4)
    np.testing.assert_allclose(shares, seen, atol=1e-12)


def test_a_way_leads_from_the_first_snapshot_to_the_last(view: View) -> None:
    (plot,) = trajectories(view, "digits")
    (axes,) = plot.panels
    ways = [m for m in plot.marks if "x" in m]
    assert len(ways) >= 2
    for mark in ways:
        common = {"model": mark["series"].model, "seed": mark["seed"]}
        sizes = {r["step"]: r["value"] for r in snapshots(view, "rows", quantity="critical size, FGSM", **common)}
        alphas = snapshots(view, "rows", quantity="α images", **common)
        points = [(r["value"], sizes[r["step"]]) for r in alphas if 0 < sizes[r["step"]] < math.inf]
        assert (mark["x"], mark["y"]) == tuple(finite(list(v)) for v in zip(*points, strict=True))
    for k, line in enumerate(axes.lines):
        if len(line.get_xdata()) > 1:
            start, end = axes.lines[k + 1 : k + 3]
            assert (*start.get_xydata()[0], *end.get_xydata()[0]) == (*line.get_xydata()[0], *line.get_xydata()[-1])
            assert (start.get_markerfacecolor(), end.get_markerfacecolor()) == ("white", line.get_color())
    assert {t.get_text() for t in axes.texts} == {m["series"].model for m in ways}


def travelled(way: np.ndarray, point: np.ndarray) -> float:
    """Length of a polyline up to the place on it that is nearest to a point."""
    best, before = (math.inf, 0.0), 0.0
    for a, b in pairwise(way):
        length = math.dist(a, b)
        share = min(1.0, max(0.0, float((point - a) @ (b - a)) / length**2))
        best = min(best, (math.dist(point, a + share * (b - a)), before + share * length))
        before += length
    assert best[0] < 0.1
    return best[1]


def test_the_arrows_point_along_the_way(view: View) -> None:
    (plot,) = trajectories(view, "digits")
    (axes,) = plot.panels
    arrows = [p for p in axes.patches if isinstance(p, FancyArrowPatch)]
    ways = [m for m in plot.marks if "x" in m]
    assert len(arrows) == 2 * len(ways)
    for k, arrow in enumerate(arrows):
        way = axes.transData.transform(np.column_stack([ways[k // 2]["x"], ways[k // 2]["y"]]))
        tail, head = (travelled(way, end) for end in axes.transData.transform(arrow._posA_posB))
        whole = travelled(way, way[-1])
        assert (tail, head) == pytest.approx([(0.35, 0.7)[k % 2] * whole + d for d in (-1, 1)], abs=0.2)


def test_one_moment_is_shown_with_the_spectra_and_weights_of_that_moment(view: View, learned: StudyRun) -> None:
    (plot,) = training_moments(view, "digits")
    assert plot.more["frames"] == STEPS
    assert [axes.get_title() for axes in plot.panels] == ["α images", "α noise", "KH: 4 of 12 units"]
    curves = [m for m in plot.marks if "what" in m]
    assert len(curves) == 2 * 2 * len(STEPS)
    for mark in curves:
        step = int(mark["what"].removeprefix("step "))
        assert mark["frames"] == [STEPS.index(step)] * 2
        where = {"model": mark["series"].model, "quantity": mark["axes"].get_title(), "epoch": step / 4, "seed": 0}
        (spectrum,) = learned.load(Spectrum, data="digits", **where)
        ratio = spectrum.eigenvalues / spectrum.eigenvalues[0]
        assert mark["y"] == finite([float(ratio[int(n) - 1]) for n in mark["x"]])
        assert len(mark["x"]) <= 150
    pictures = [m for m in plot.marks if "x" not in m and m["axes"] == plot.panels[2]]
    assert [m["frames"] for m in pictures] == [[k, k] for k in range(5)]


def test_the_weights_are_those_of_the_snapshot(view: View, learned: StudyRun) -> None:
    (plot,) = training_moments(view, "digits")
    images = plot.panels[2].images
    for image, epoch in zip(images, (0.0, 1.0, 2.0, 4.0, 8.0), strict=True):
        weights = arrays(learned.locally_trained("digits", "KH", epoch)[0])["encoder.weight"].double()
        tiles = weights / weights.abs().amax(1, keepdim=True)
        drawn = torch.as_tensor(np.ma.filled(image.get_array(), np.nan))[1:9, 1:9].flatten()
        assert any(torch.equal(drawn, tile) for tile in tiles)


def test_print_has_the_last_moment_and_the_page_all_with_the_others_off(view: View, tmp_path: Path) -> None:
    (plot,) = training_moments(view, "digits")
    _, file, _ = save(plot.finish().figure, tmp_path / "moments")
    last = len(STEPS) - 1
    numbered = {i: m.get("frames", [0, last]) for i, m in enumerate(plot.marks)}
    printed = {int(i) for i in re.findall(r'id="mark-(\d+)-', file.read_text("utf-8"))}
    assert printed == {i for i, (_, end) in numbered.items() if end == last}
    svg = Drawing.of(plot, "moments", 0, "c", "n", file.read_text("utf-8")).svg
    found = {}
    for element in ElementTree.fromstring(svg).iter():
        if match := re.match(r"moments-mark-(\d+)-", element.get("id", "")):
            found[int(match[1])] = element.get("display")
    assert found == {i: None if i in printed else "none" for i in numbered}


def test_the_numbers_beside_the_slider_are_those_of_the_study(view: View) -> None:
    (plot,) = training_moments(view, "digits")
    assert plot.more["columns"] == QUANTITIES
    assert [(row["m"], row["step"]) for row in plot.more["rows"]] == [(m, s) for m in (1, 2) for s in STEPS]
    for row in plot.more["rows"]:
        found = {e["quantity"]: e for e in snapshots(view, "summary", model=view.models[row["m"]], step=row["step"])}
        wanted = [found[q] for q in QUANTITIES]
        assert row["cells"] == [ranged(e["mean"], e["low"], e["high"]) for e in wanted]


def test_a_model_is_shown_until_its_next_snapshot() -> None:
    assert spans([2, 10], [0, 1, 2, 5, 10, 20]) == {2: (2, 3), 10: (4, 5)}
    assert spans([], [0, 1]) == {}
    many, places = list(range(300)), list(range(0, 300, 7))
    found = spans(many, places)
    assert [place for first, last in found.values() for place in range(first, last + 1)] == list(range(len(places)))
    assert all(step >= places[first - 1] for step, (first, _) in found.items() if first)


def test_a_spectrum_measured_at_fewer_moments_is_shown_until_its_next_one(learned: StudyRun) -> None:
    """Also in print, at the end of a training at which only another measure was taken."""
    found = copy.deepcopy(learned.results)
    last = ("α images", STEPS[-1])
    found["cells"] = [c for c in found["cells"] if (c["quantity"], c["step"]) != last]
    found["summary"] = [s for s in found["summary"] if (s["quantity"], s["step"]) != last]
    run = StudyRun(learned.folder, learned.store)
    run.__dict__["results"] = found
    (plot,) = training_moments(View([run]), "digits")
    panel = next(axes for axes in plot.panels if axes.get_title() == "α images")
    places = len(plot.more["frames"])
    shown = [m["frames"] for m in plot.marks if m["axes"] is panel and "frames" in m]
    assert max(end for _, end in shown) == places - 1
    rows = plot.more["rows"]
    column = plot.more["columns"].index("α images")
    assert all(row["cells"][column] for row in rows)


def test_a_study_without_snapshots_has_none_of_these_figures(built: StudyRun) -> None:
    view = View([built])
    assert (frames(view, "digits"), measured(view, "digits")) == ([], [])
    assert [*courses(view, "digits"), *trajectories(view, "digits"), *training_moments(view, "digits")] == []


def test_words_of_a_convention_in_which_models_differ_are_left_out(learned: StudyRun) -> None:
    results = copy.deepcopy(learned.results)
    for entry in results["summary"]:
        entry["convention"] = f"share of {12 if entry['model'] == 'KH' else 15} units"
    other = replace(learned)
    vars(other)["results"] = results
    (plot,) = courses(View([other]), "digits")
    labels = {axes.get_title(): axes.get_ylabel() for axes in plot.panels}
    assert (labels["α images"], labels["units converged"]) == ("share of … units", "share of 12 units")


@pytest.mark.parametrize(("inputs", "seen"), [(3 * 8 * 6, (3, 8, 6)), (3 * 5 * 5, (3, 5, 5))])
def test_units_see_the_image_or_a_patch(tmp_path: Path, inputs: int, seen: tuple[int, int, int]) -> None:
    held = {f"conv{i}.wins": torch.arange(4) + i for i in (2, 1)}
    held |= {"conv2.weight": torch.rand(4, 36), "conv1.weight": torch.rand(4, inputs)}
    save_file(held, tmp_path / "network.safetensors", {"eigencode": '{"shape": [3, 8, 6]}'})
    weights, wins, shape = first_layer(tmp_path)
    assert shape == seen
    assert torch.equal(weights, held["conv1.weight"])
    assert wins.tolist() == [1, 2, 3, 4]


def test_a_quantity_that_hardly_changes_has_an_axis_without_offset(learned: StudyRun) -> None:
    results = copy.deepcopy(learned.results)
    for entry in results["summary"] + results["rows"]:
        for key in {"value", "mean"} & entry.keys():
            entry[key] = 10.6527643 + 1e-8 * (entry["step"] or 0)
    other = replace(learned)
    vars(other)["results"] = results
    (plot,) = courses(View([other]), "digits")
    assert plot.panels[0].get_ylim() == pytest.approx((0.9 * 10.6527643, 1.1 * 10.6527643))


def test_what_is_drawn_outside_a_moment_is_always_shown(view: View) -> None:
    plot = Plot(view, 1, 2.0)
    series = next(view.series("digits"))
    with plot.between(0, 1, printed=False):
        inside = plot.line(plot.panels[0], series, [1, 2], [1, 2])
    outside = plot.line(plot.panels[0], series, [1, 2], [1, 2])
    plot.finish()
    assert [line.get_visible() for line in (inside, outside)] == [False, True]
    assert ["frames" in mark for mark in plot.marks] == [True, False]
