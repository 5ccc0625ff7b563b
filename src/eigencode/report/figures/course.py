"""Every quantity of the snapshots of a training against the training steps."""

import math
from collections.abc import Iterator

import torch
from matplotlib.axes import Axes
from torch import Tensor

from eigencode.report.figures._style import HEIGHT, log_axis, spread, steps_axis, wrapped
from eigencode.report.figures._time import frames, measured
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import Series, View

PANEL = 2.1  # inches


def courses(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per quantity: a thin line per seed, a thick one for their mean, with its 95 % interval."""
    found = {q: [c for s in view.series(data) if (c := Course(s, q)).values] for q in measured(view, data)}
    names = [q for q, several in found.items() if several]
    most = 3 * int(HEIGHT / PANEL)
    for first in range(0, len(names), most):
        some = names[first : first + most]
        plot = Plot(view, len(some), PANEL)
        plot.more = {"frames": frames(view, data), "cursor": True}
        for axes, name in zip(plot.panels, some, strict=True):
            for course in found[name]:
                course.draw(plot, axes)
            _cut(axes, [v for course in found[name] for v in course.values])
            steps_axis(axes, [e["step"] for course in found[name] for e in course.mean])
            axes.set(title=wrapped(name, 30), ylabel=wrapped(_common(found[name]), 32))
            axes.yaxis.label.set_fontsize(6)
        yield plot


class Course:
    """One quantity of one model over its training: of every seed, and their mean."""

    def __init__(self, series: Series, name: str) -> None:
        self.series = series
        self.rows = series.numbers(name, snapshots=True)
        self.mean = series.numbers(name, "summary", snapshots=True)
        every = [*(r["value"] for r in self.rows), *(e["mean"] for e in self.mean)]
        self.values = [v for v in every if math.isfinite(v)]

    def draw(self, plot: Plot, axes: Axes) -> None:
        """Draw the lines, with the interval of the mean as a band."""
        seeds = list(dict.fromkeys(r["seed"] for r in self.rows))
        for seed in seeds if len(seeds) > 1 else ():
            mine = [r for r in self.rows if r["seed"] == seed]
            steps, values = _finite(mine, "step", "value")
            plot.line(axes, self.series, steps, values, seed=seed, faint=True)
        steps, mean, low, high = _finite(self.mean, "step", "mean", "low", "high")
        band = {"low": low, "high": high} if plot.intervals else {}
        plot.line(axes, self.series, steps, mean, lw=1.6, ms=3, **band)


def _common(courses: list[Course]) -> str:
    """The convention of a quantity, with "…" for words in which models differ, such as their numbers of units."""
    words = [course.mean[0]["convention"].split() for course in courses]
    return " ".join(same[0] if len(set(same)) == 1 else "…" for same in zip(*words, strict=False))


def _finite(entries: list[dict], *columns: str) -> Tensor:
    """Columns of entries, NaN where they are not finite."""
    values = torch.tensor([[e[name] for e in entries] for name in columns], dtype=torch.float64)
    return torch.where(values.isfinite(), values, torch.nan)


def _cut(axes: Axes, values: list[float]) -> None:
    """Cut the panel to its values; intervals may leave it."""
    low, high = min(values), max(values)
    if spread(values):
        axes.set(yscale="log", ylim=(low / 1.3, high * 1.3))
        log_axis(axes.yaxis)
        return
    room = 0.08 * (high - low) if high - low > 1e-3 * abs(high) else 0.1 * abs(high) or 0.1
    axes.set_ylim(low - room, high + room)
    few(axes, "y")
