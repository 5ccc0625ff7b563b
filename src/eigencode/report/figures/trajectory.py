"""Ways of networks through the plane of α and a critical size while they train."""

import math
from collections.abc import Iterator
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from eigencode.report.figures._style import label, log_axis, spread
from eigencode.report.figures._time import frames, spans
from eigencode.report.figures._ways import arrows, named
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import Series, View

Way = tuple[Series, int, list[tuple[int, float, float]]]
"""Model, seed, and step, α and size of every snapshot."""


def trajectories(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per critical size: a line per model and seed, from the first snapshot to the last."""
    spectra, sizes = view.quantities("spectrum", data), view.quantities("critical", data)
    found = {(x, y): ways for x in spectra[:1] for y in sizes if (ways := _ways(view, data, x, y))}
    if not found:
        return
    plot = Plot(view, len(found), 2.8)
    plot.legend, plot.more = False, {"frames": frames(view, data)}
    for axes, ((x, y), ways) in zip(plot.panels, found.items(), strict=True):
        points = [(alpha, size) for *_, way in ways for _, alpha, size in way]
        axes.set_yscale("log" if spread([size for _, size in points]) else "linear")
        axes.update_datalim(points)
        axes.margins(0.1)
        axes.autoscale_view()
        low, high = axes.get_xlim()
        axes.set_xlim(low, high + 0.15 * (high - low))
        for way in ways:
            _draw(plot, axes, *way)
        few(axes)
        log_axis(axes.yaxis) if axes.get_yscale() == "log" else few(axes, "y")
        ends = {series.where: (series, *way[-1][1:]) for series, _, way in reversed(ways)}
        named(plot, axes, list(ends.values()), points)
        axes.set(title=label(y), xlabel=label(x), ylabel="median critical size (L2)")
    yield plot


def _ways(view: View, data: str, x: str, y: str) -> list[Way]:
    """The models and seeds with both numbers at two moments or more."""
    found = []
    for series in view.series(data):
        sizes = {(r["seed"], r["step"]): r["value"] for r in series.numbers(y, snapshots=True)}
        alphas = [r for r in series.numbers(x, snapshots=True) if (r["seed"], r["step"]) in sizes]
        for seed in dict.fromkeys(r["seed"] for r in alphas):
            way = [(r["step"], r["value"], sizes[seed, r["step"]]) for r in alphas if r["seed"] == seed]
            way = [point for point in way if math.isfinite(point[1]) and 0 < point[2] < math.inf]
            found += [(series, seed, way)] if len(way) > 1 else []
    return found


def _draw(plot: Plot, axes: Axes, series: Series, seed: int, way: list[tuple[int, float, float]]) -> None:
    """Draw the line with its moments, its ends and two arrows; on the page, a ring at the chosen moment."""
    steps, x, y = zip(*way, strict=True)
    look: dict[str, Any] = {"color": series.colour, "marker": series.marker, "ls": "", "ms": 5}
    artists: list[Artist] = list(axes.plot(x, y, ".", color=series.colour, ls=series.dash, lw=0.8, ms=2.5))
    artists += [*axes.plot(x[0], y[0], mfc="white", **look), *axes.plot(x[-1], y[-1], **look)]
    artists += arrows(axes, x, y, series.colour)
    plot.mark(artists, axes, series, x, y, seed=seed, what=f"steps {steps[0]} to {steps[-1]}")
    for step, span in spans(list(steps), plot.more["frames"]).items():
        with plot.between(*span, printed=False):
            at = steps.index(step)
            ring = axes.plot(x[at], y[at], "o", mfc="none", mec=series.colour, ms=8, mew=1)
            plot.mark(ring, axes, series)
