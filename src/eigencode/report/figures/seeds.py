"""Every quantity of the headline table, one dot per seed."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eigencode.report.figures._style import DATA, around, colours, grid, label
from eigencode.report.run import StudyRun
from eigencode.study._mean import Mean


def seeds(run: StudyRun, data: str) -> Figure | None:
    """Plot one panel per quantity: dots are seeds, bars mean and 95 % interval over seeds and images."""
    names = ["data", *run.models]
    rows = [r for r in run.results["rows"] if r["data"] == data and math.isfinite(r["value"])]
    shown = [q for q in run.results["headline"] if any(r["quantity"] == q for r in rows)]
    if not shown:
        return None
    figure, panels = grid(len(shown), 0.6 + 0.17 * len(names), sharey=True)
    colour = {"data": DATA, **colours(run.models)}
    for axes, quantity in zip(panels.ravel(), shown, strict=False):
        for place, model in enumerate(names):
            found = [r for r in rows if r["quantity"] == quantity and r["model"] == model]
            if found:
                _row(axes, place, found, colour[model])
        axes.set_xlim(*around([r["value"] for r in rows if r["quantity"] == quantity]))
        axes.set_title(label(quantity))
        axes.set_yticks(range(len(names)), [label(n) for n in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="x", color="0.9", lw=0.5)
    return figure


def _row(axes: Axes, place: int, found: list[dict[str, Any]], colour: str) -> None:
    values = [r["value"] for r in found]
    mean = Mean.of(values, [r["low"] for r in found], [r["high"] for r in found])
    if math.isfinite(mean.low) and math.isfinite(mean.high):
        axes.plot([mean.low, mean.high], [place, place], color=colour, lw=1)
    axes.plot([mean.value, mean.value], [place - 0.3, place + 0.3], color=colour, lw=1.6)
    spread = [place + 0.22 * ((i % 3) - 1) * (len(values) > 1) for i in range(len(values))]
    axes.plot(values, spread, "o", color=colour, ms=3, mew=0)
