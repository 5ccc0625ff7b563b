"""Figure A2 of the paper: test accuracy against median critical size."""

import math
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from eigencode.report._results import finished
from eigencode.report.figures._style import around, label, log_axis
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import Series, View

ACCURACY = "test accuracy"
Point = tuple[float, ...]
"""Size, accuracy, their lower and upper ends, seed."""

FAR = 2.0
"""A model is far below the others if its gap to them exceeds this multiple of their range."""


def tradeoff(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per attack: a point per model and seed, with intervals over images, where most models are.

    Models far below the others in accuracy are arrows at the lower edge.
    """
    found = {
        name: [(s, points) for s in view.series(data) if (points := _points(s, name))]
        for name in view.quantities("critical", data)
    }
    found = {name: several for name, several in found.items() if several}
    if not found:
        return
    plot = Plot(view, len(found), 2.6)
    floor = _floor([p[1] for several in found.values() for _, points in several for p in points])
    for axes, (name, several) in zip(plot.panels, found.items(), strict=True):
        above = [p for _, points in several for p in points if p[1] >= floor]
        axes.set_xlim(min(p[2] for p in above) / 1.2, max(p[3] for p in above) * 1.2)
        axes.set_ylim(*around([v for p in above for v in p[4:6]], 0.06))
        for series, points in several:
            _draw(plot, axes, series, points, floor)
        log_axis(axes.xaxis)
        few(axes, "y")
        axes.set(title=label(name), xlabel="median critical size (L2)", ylabel=ACCURACY)
    yield plot


def _points(series: Series, name: str) -> list[Point]:
    """Size and accuracy, their lower and upper ends, and the seed, of every seed that has both."""
    rows = [r for r in finished(series.run.results["rows"]) if (r["data"], r["model"]) == (series.data, series.model)]
    rows = [r for r in rows if math.isfinite(r["value"])]
    accuracy = {r["seed"]: r for r in rows if r["quantity"] == ACCURACY}
    pairs = [(r, accuracy[r["seed"]]) for r in rows if r["quantity"] == name and r["seed"] in accuracy]
    return [(s["value"], a["value"], *_ends(s), *_ends(a), s["seed"]) for s, a in pairs if s["value"] > 0]


def _ends(row: dict[str, Any]) -> tuple[float, float]:
    ends = [row[end] if math.isfinite(row[end]) else row["value"] for end in ("low", "high")]
    return min(ends[0], row["value"]), max(ends[1], row["value"])


def _floor(values: list[float]) -> float:
    """Smallest accuracy of the panel: below it are only models that are far away from all others."""
    ordered = sorted(values, reverse=True)
    for above, below, i in zip(ordered, ordered[1:], range(1, len(ordered)), strict=False):
        if i >= 2 and above - below > FAR * (ordered[0] - above) and above - below > 0.1:
            return above
    return ordered[-1]


def _draw(plot: Plot, axes: Axes, series: Series, points: list[Point], floor: float) -> None:
    for x, y, left, right, low, high, seed in points:
        artists: list[Artist] = []
        if y >= floor and not plot.intervals:
            artists = list(axes.plot(x, y, series.marker, color=series.colour, ms=3))
        elif y >= floor:
            reach: dict[str, Any] = {"xerr": [[x - left], [right - x]], "yerr": [[y - low], [high - y]]}
            bars = axes.errorbar(x, y, **reach, fmt=series.marker, color=series.colour, elinewidth=0.6, ms=4.5)
            artists = [bars[0], *bars[2]]
        elif seed == points[0][-1]:
            mean, edge = fmean(p[1] for p in points), fmean(p[0] for p in points)
            edge = min(max(edge, axes.get_xlim()[0]), axes.get_xlim()[1])
            right_half = edge > math.prod(axes.get_xlim()) ** 0.5
            note = f"▾ {label(series.label, 16)} {mean:.2f}"
            where: dict[str, Any] = {
                "xycoords": axes.get_xaxis_transform(),
                "color": series.colour,
                "annotation_clip": False,
            }
            artists = [axes.annotate(note, (edge, 0.02), ha="right" if right_half else "left", fontsize=7, **where)]
        plot.mark(artists, axes, series, [x], [y], [low], [high], seed=int(seed))
