"""Every quantity of the headline table, one dot per seed."""

import math
from collections.abc import Iterator

from matplotlib.axes import Axes

from eigencode.report.figures._style import HEIGHT, around, label, wrapped
from eigencode.report.figures.calibration import noise_of
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import Series, View

Rows = list[tuple[Series, list[dict]]]


def seeds(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per quantity, a row per model: dots are seeds, bars mean and 95 % interval."""
    if any(noise_of(run) for run in view.runs if data in run.datasets):  # figure `calibration`
        return
    names = list(dict.fromkeys(q for run in view.runs for q in run.results["headline"]))
    found = {q: rows for q in names if (rows := _rows(view, data, q))}
    height = min(HEIGHT, 0.8 + 0.17 * len(view.models) * min(4, len(view.runs)))
    most = 3 * int(HEIGHT / height)
    for first in range(0, len(found), most):
        some = dict(list(found.items())[first : first + most])
        plot = Plot(view, len(some), height)
        plot.legend = len(view.runs) > 1
        for i, (axes, (quantity, rows)) in enumerate(zip(plot.panels, some.items(), strict=True)):
            models = [m for m in range(len(view.models)) if any(s.where[0] == m for s, _ in rows)]
            for series, records in rows:
                lane = 0.8 * ((series.where[1] + 0.5) / len(view.runs) - 0.5)
                _row(plot, axes, series, records, models.index(series.where[0]) + lane, 0.3 / len(view.runs))
            axes.set_xlim(*around([r["value"] for _, records in rows for r in records]))
            said = {r["convention"] for _, records in rows for r in records}
            axes.set_title(label(quantity), fontsize=7.5)
            axes.set_xlabel(wrapped(said.pop(), 26) if len(said) == 1 else "", fontsize=6.5)
            axes.set_yticks(range(len(models)), _labels([view.models[m] for m in models], i % 3 == 0))
            axes.set_ylim(len(models) - 0.5, -0.5)
            axes.grid(axis="x", color="0.9", lw=0.5)
            axes.set_axisbelow(True)
            few(axes)
        yield plot


def _labels(models: list[str], first: bool) -> list[str]:
    """Names beside a panel: short ones, unless these are not distinct; then long ones beside the first of a row."""
    short = [label(m, 20) for m in models]
    if len(set(short)) == len(short):
        return short
    return [label(m, 44) if first else "" for m in models]


def _rows(view: View, data: str, quantity: str) -> Rows:
    """The models with finite numbers of a quantity, and these, one per seed."""
    finite = [(s, [r for r in s.numbers(quantity) if math.isfinite(r["value"])]) for s in view.series(data)]
    return [(s, rows) for s, rows in finite if rows]


def _row(plot: Plot, axes: Axes, series: Series, records: list[dict], place: float, half: float) -> None:
    if plot.intervals:
        mean = series.numbers(records[0]["quantity"], "summary")[0]
        artists = []
        if math.isfinite(mean["mean"]):
            artists = axes.plot([mean["mean"]] * 2, [place - half, place + half], color=series.colour, lw=1.6)
        if all(map(math.isfinite, (mean["mean"], mean["low"], mean["high"]))):
            artists += axes.plot([mean["low"], mean["high"]], [place, place], color=series.colour, lw=1)
        plot.mark(artists, axes, series)
    for i, row in enumerate(records):
        at = place + 0.7 * half * ((i % 3) - 1) * (len(records) > 1)
        dot = axes.plot(row["value"], at, series.marker or "o", color=series.colour, ms=3.5, mew=0)
        plot.mark(dot, axes, series, [row["value"]], [at], [row["low"]], [row["high"]], seed=row["seed"])
