"""Lines with a direction, named at their ends."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Patch

from eigencode.report.figures._style import apart, label
from eigencode.report.figures.plot import Plot
from eigencode.report.view import Series


def arrows(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> Iterator[Patch]:
    """Draw two arrow heads on a line, at one and two thirds of its length in the figure."""
    seen = axes.transData.transform(np.column_stack([x, y]))
    length = np.concatenate([[0.0], np.hypot(*np.diff(seen, axis=0).T).cumsum()])
    for share in (0.35, 0.7):
        ahead = [np.interp(share * length[-1] + d, length, seen[:, i]) for d in (-1.0, 1.0) for i in (0, 1)]
        ends = axes.transData.inverted().transform(np.reshape(ahead, (2, 2)))
        look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "color": colour, "lw": 0}
        yield axes.add_patch(FancyArrowPatch(*ends, shrinkA=0, shrinkB=0, **look))


def named(plot: Plot, axes: Axes, ends: Sequence[tuple[Series, float, float]], points: Any) -> None:
    """Write models to the right of their ends and of all `points` at that height; a click on one hides the model.

    A thin line leads to a name that is not beside its end.
    """
    seen = axes.transData + axes.transAxes.inverted()
    places, every = seen.transform([point for _, *point in ends]), seen.transform(points)
    heights = apart([float(y) for y in places[:, 1]], 0.065)
    for k, ((series, *_), (x, y), height) in enumerate(zip(ends, places, heights, strict=True)):
        right = max(x, every[abs(every[:, 1] - height) < 0.05, 0].max(initial=0.0)) + 0.04
        look: dict[str, Any] = {"va": "center", "fontsize": 7, "color": series.colour, "xycoords": "axes fraction"}
        if abs(height - y) > 0.01 or right > x + 0.05:
            look["arrowprops"] = {"arrowstyle": "-", "lw": 0.4, "color": series.colour, "shrinkA": 0, "shrinkB": 2}
        text = axes.annotate(label(series.label, 20), (x, y), (right, height), **look)
        text.set_gid(f"key-{series.where[0]}-at-{plot.panels.index(axes)}-{k}")
