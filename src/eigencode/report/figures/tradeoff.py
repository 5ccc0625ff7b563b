"""Figure A2 of the paper: test accuracy against median critical size."""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes

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
    found = view.each("critical", data, lambda n: [(s, p) for s in view.series(data) if (p := _points(s, n))])
    if not found:
        return
    plot = Plot(view, len(found), 2.6)
    least = _floor([p[1] for several in found.values() for _, points in several for p in points])
    for axes, (name, several) in zip(plot.panels, found.items(), strict=True):
        every = [p for _, points in several for p in points]
        floor = min(least, max(p[1] for p in every))  # a panel may have only models that are far below
        above = [p for p in every if p[1] >= floor]
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
    known = {r["seed"]: r for r in series.numbers(ACCURACY) if math.isfinite(r["value"])}
    pairs = [(r, known[r["seed"]]) for r in series.numbers(name) if r["seed"] in known and 0 < r["value"] < math.inf]
    return [(s["value"], a["value"], *_ends(s), *_ends(a), s["seed"]) for s, a in pairs]


def _ends(row: dict[str, Any]) -> tuple[float, float]:
    ends = [row[end] if math.isfinite(row[end]) else row["value"] for end in ("low", "high")]
    return min(ends[0], row["value"]), max(ends[1], row["value"])


def _floor(values: list[float]) -> float:
    """Smallest accuracy of the panel: below it are only models that are far away from all others."""
    ordered = sorted(values, reverse=True)
    gaps = [(above, above - below) for above, below in pairwise(ordered)][1:]
    return next((a for a, gap in gaps if gap > 0.1 and gap > FAR * (ordered[0] - a)), ordered[-1])


def _draw(plot: Plot, axes: Axes, series: Series, points: list[Point], floor: float) -> None:
    for x, y, left, right, low, high, seed in points:
        artists: list[Any] = []
        if y >= floor and not plot.intervals:
            artists = axes.plot(x, y, series.marker, color=series.colour, ms=3)
        elif y >= floor:
            reach: dict[str, Any] = {"xerr": [[x - left], [right - x]], "yerr": [[y - low], [high - y]]}
            bars = axes.errorbar(x, y, **reach, fmt=series.marker, color=series.colour, elinewidth=0.6, ms=4.5)
            artists = [bars[0], *bars[2]]
        elif seed == points[0][-1]:
            limits = axes.get_xlim()
            edge = min(max(fmean(p[0] for p in points), limits[0]), limits[1])
            note = f"▾ {label(series.label, 16)} {fmean(p[1] for p in points):.2f}"
            where: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "annotation_clip": False, "fontsize": 7}
            side = "right" if edge > math.prod(limits) ** 0.5 else "left"
            artists = [axes.annotate(note, (edge, 0.02), ha=side, color=series.colour, **where)]
        plot.mark(artists, axes, series, [x], [y], [low], [high], seed=int(seed))
