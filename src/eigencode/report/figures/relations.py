"""Relations over all networks: scatter by family, forest plot of effects, predicted against measured outcomes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from eigencode.report._numbers import measured
from eigencode.report.figures._style import HEIGHT, around, label, wrapped
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import INK, MARKERS, MODELS, Series, View

LEVELS = {"pooled": ("o", INK, -0.22), "within": ("s", "#0072B2", 0.0), "between": ("D", "#D55E00", 0.22)}
"""Marker, colour and place in its row of each effect of the forest plot."""

MOST = 9
"""Most panels of a page."""

Related = tuple[Series, dict[str, Any]]
"""A relation of results.json, and the look of what is of no single model."""


def relations(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per relation and predictor: a point per network, coloured by family, with both slopes."""
    found = [(*r, j) for r in _found(view, data) for j in range(len(r[1]["predictors"]))]
    for first in range(0, len(found), MOST):
        some = found[first : first + MOST]
        plot = Plot(view, len(some), 2.6)
        for axes, (whole, relation, j) in zip(plot.panels, some, strict=True):
            x = [p["values"][j] for p in relation["points"]]
            _points(plot, axes, whole, relation, x)
            _slopes(plot, axes, whole, relation, j)
            axes.set_xlim(*around(x, 0.08))
            axes.set(xlabel=wrapped(relation["predictors"][j]))
        yield _keyed(plot, [relation for _, relation, _ in some], lines=True)


def effects(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per relation, a row per predictor: its effects over all networks, within and between families."""
    found = _found(view, data)
    height = 0.9 + 0.45 * max((len(r["predictors"]) for _, r in found), default=0)
    each = 2 * max(1, int(HEIGHT / height))
    for first in range(0, len(found), each):
        some = found[first : first + each]
        plot = Plot(view, len(some), height, columns=2)
        plot.legend = False
        plot.keys = [Line2D([], [], color=c, marker=m, label=kind) for kind, (m, c, _) in LEVELS.items()]
        for axes, (whole, relation) in zip(plot.panels, some, strict=True):
            _forest(plot, axes, whole, relation)
        yield plot


def predictions(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per relation: the outcome of every network against its prediction from all other families."""
    found = _found(view, data)
    for first in range(0, len(found), MOST):
        some = found[first : first + MOST]
        plot = Plot(view, len(some), 2.6)
        for axes, (whole, relation) in zip(plot.panels, some, strict=True):
            x = [p["predicted"] for p in relation["points"]]
            _points(plot, axes, whole, relation, x)
            ends = around([v for v in (*x, *(p["outcome"] for p in relation["points"])) if math.isfinite(v)], 0.06)
            axes.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
            share = next(e["value"] for e in relation["effects"] if e["effect"] == "prediction R2")
            axes.set_xlim(*ends)
            axes.set(xlabel="predicted from the other families", title=_title(relation, f"R² = {measured(share)}"))
        yield _keyed(plot, [relation for _, relation in some], lines=False)


def _found(view: View, data: str) -> list[Related]:
    """The relations of all runs on a data set that could be computed."""
    found: list[Related] = []
    for series in view.series(data):
        where = (len(view.models), series.where[1])
        whole = replace(series, model="", label="", where=where, colour=INK, marker="")
        if not any(whole.run is known.run for known, _ in found):
            kept = [r for r in series.run.results.get("relations", []) if r["data"] == data and r["effects"]]
            found += [(whole, relation) for relation in kept]
    return found


def _groups(view: View) -> dict[str, tuple[str, str]]:
    """Colour and marker of each family, the same in all relations of a page."""
    relations = (relation for run in view.runs for relation in run.results.get("relations", ()))
    names = dict.fromkeys(p["group"] for relation in relations for p in relation["points"])
    return {n: (MODELS[i % len(MODELS)], MARKERS[i // len(MODELS) % len(MARKERS)]) for i, n in enumerate(names)}


def _points(plot: Plot, axes: Axes, whole: Series, relation: dict[str, Any], x: list[float]) -> None:
    """A point per network; ▲ where the outcome is a lower bound."""
    looks = _groups(plot.view)
    place = {m: i for i, m in enumerate(plot.view.models)}
    for value, p in zip(x, relation["points"], strict=True):
        colour, marker = looks[p["group"]]
        shape = "^" if p["censored"] else marker
        dot = axes.plot(
            value, p["outcome"], shape, color=colour, ms=3, mew=0.5, mfc="none" if p["censored"] else colour
        )
        mine = replace(whole, model=p["model"], where=(place[p["model"]], whole.where[1]))
        what = p["group"] + ", lower bound" * p["censored"]
        plot.mark(dot, axes, mine, [value], [p["outcome"]], seed=p["seed"], what=what)
    axes.set_ylim(*around([p["outcome"] for p in relation["points"]], 0.08))
    axes.set(ylabel=wrapped(relation["outcome"]), title=_title(relation))
    few(axes, "xy")


def _slopes(plot: Plot, axes: Axes, whole: Series, relation: dict[str, Any], j: int) -> None:
    """The slope within families through each of them, and that between families through their means."""
    of = {e["effect"]: e["value"] for e in relation["effects"] if e["predictor"] == relation["predictors"][j]}
    unit, means = relation["spread"][j] or math.nan, []
    for group, (colour, _) in _groups(plot.view).items():
        points = [p for p in relation["points"] if p["group"] == group]
        if not points:
            continue
        x, y = np.array([p["values"][j] for p in points]), np.array([p["outcome"] for p in points])
        means.append((x.mean(), y.mean()))
        ends = np.array([x.min(), x.max()])
        height = y.mean() + of["within"] / unit * (ends - x.mean())
        if np.isfinite(height).all() and len(points) > 1:
            plot.mark(
                axes.plot(ends, height, color=colour, lw=0.8),
                axes,
                whole,
                ends.tolist(),
                height.tolist(),
                what=f"within {group}",
            )
    x, y = np.array(means).T
    ends = np.array([x.min(), x.max()])
    height = y.mean() + of["between"] / unit * (ends - x.mean())
    if np.isfinite(height).all():
        plot.mark(
            axes.plot(ends, height, color=INK, ls="--"), axes, whole, ends.tolist(), height.tolist(), what="between"
        )


def _forest(plot: Plot, axes: Axes, whole: Series, relation: dict[str, Any]) -> None:
    names, ends = relation["predictors"], [0.0]
    for e in (e for e in relation["effects"] if e["effect"] in LEVELS and math.isfinite(e["value"])):
        marker, colour, shift = LEVELS[e["effect"]]
        place = names.index(e["predictor"]) + shift
        artists = axes.plot(e["value"], place, marker, color=colour, ms=4)
        if math.isfinite(e["low"]) and math.isfinite(e["high"]):
            artists += axes.plot([e["low"], e["high"]], [place, place], color=colour, lw=1)
            ends += [e["low"], e["high"]]
        ends.append(e["value"])
        plot.mark(artists, axes, whole, [e["value"]], [place], [e["low"]], [e["high"]], what=e["effect"])
    axes.axvline(0, color="0.8", lw=0.8, zorder=0)
    axes.set_yticks(range(len(names)), [label(n, 24) for n in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(*around(ends, 0.06))
    axes.set(title=_title(relation), xlabel=wrapped(f"{relation['outcome']} per standard deviation", 44))
    few(axes)


def _title(relation: dict[str, Any], more: str = "") -> str:
    return label(f"{relation['name']}{': ' * bool(more)}{more}", 44)


def _keyed(plot: Plot, some: list[dict[str, Any]], lines: bool) -> Plot:
    """The plot with a legend of families instead of models; with `lines`, also of the two kinds of lines."""
    plot.legend = False
    shown = {p["group"] for relation in some for p in relation["points"]}
    looks = {name: look for name, look in _groups(plot.view).items() if name in shown}
    plot.keys = [Line2D([], [], color=c, marker=m, ls="", label=label(n, 24)) for n, (c, m) in looks.items()]
    if lines:
        plot.keys += [
            Line2D([], [], color="0.5", lw=0.8, label="within"),
            Line2D([], [], color=INK, ls="--", label="between"),
        ]
    if any(p["censored"] for relation in some for p in relation["points"]):
        plot.keys.append(Line2D([], [], color="0.5", marker="^", mfc="none", ls="", label="lower bound"))
    return plot
