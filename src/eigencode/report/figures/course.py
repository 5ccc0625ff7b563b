"""Every quantity of the snapshots of a training against the training steps."""

import math
from collections.abc import Iterator

import torch
from matplotlib.axes import Axes
from torch import Tensor

from eigencode.report.figures._style import HEIGHT, label, log_axis, spread, steps_axis, wrapped
from eigencode.report.figures._time import course, frames, measured
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import Series, View

PANEL = 2.1
"""Height of a panel in inches."""


def courses(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per quantity: a thin line per seed, a thick one for their mean, with its 95 % interval."""
    found = {q: [s for s in view.series(data) if _known(s, q)] for q in measured(view, data)}
    names = [q for q, several in found.items() if several]
    most = 3 * int(HEIGHT / PANEL)
    for first in range(0, len(names), most):
        some = names[first : first + most]
        plot = Plot(view, len(some), PANEL)
        plot.more = {"frames": frames(view, data), "cursor": True}
        for axes, name in zip(plot.panels, some, strict=True):
            for series in found[name]:
                _draw(plot, axes, series, name)
            _cut(axes, [v for series in found[name] for v in _known(series, name)])
            steps_axis(axes, [e["step"] for series in found[name] for e in course(series, name)])
            axes.set(title=label(name), ylabel=wrapped(course(found[name][0], name)[0]["convention"], 32))
            axes.yaxis.label.set_fontsize(6)
        yield plot


def _known(series: Series, name: str) -> list[float]:
    """All finite values of a quantity over the training of a model, of its seeds and their mean."""
    values = [*(e["value"] for e in course(series, name, "rows")), *(e["mean"] for e in course(series, name))]
    return [v for v in values if math.isfinite(v)]


def _draw(plot: Plot, axes: Axes, series: Series, name: str) -> None:
    mean, rows = course(series, name), course(series, name, "rows")
    seeds = list(dict.fromkeys(r["seed"] for r in rows))
    for seed in seeds if len(seeds) > 1 else ():
        mine = [r for r in rows if r["seed"] == seed]
        plot.line(axes, series, _steps(mine), _finite(mine, "value"), seed=seed, faint=True)
    band = (_finite(mean, "low"), _finite(mean, "high")) if plot.intervals else ()
    plot.line(axes, series, _steps(mean), _finite(mean, "mean"), *band, lw=1.6, ms=3)


def _steps(entries: list[dict]) -> list[float]:
    return [e["step"] for e in entries]


def _finite(entries: list[dict], name: str) -> Tensor:
    """Numbers of entries, NaN for those that are not finite."""
    values = torch.tensor([e[name] for e in entries], dtype=torch.float64)
    return torch.where(values.isfinite(), values, torch.nan)


def _cut(axes: Axes, values: list[float]) -> None:
    """Cut the panel to its values; intervals may leave it."""
    low, high = min(values), max(values)
    if spread(values):
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        log_axis(axes.yaxis)
        return
    room = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    axes.set_ylim(low - room, high + room)
    few(axes, "y")
