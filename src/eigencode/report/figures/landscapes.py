"""Figure 4 of the paper: Jacobian norm, predicted class and confidence on a plane, for all models on one scale."""

import math
from collections.abc import Iterator, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from eigencode.data.catalogue import TABLE
from eigencode.geometry.maps import Landscape
from eigencode.report.figures._style import label
from eigencode.report.figures.plot import Plot, few, thinned
from eigencode.report.view import PALETTE, Series, View

COLUMNS = 4
SHADES = (*PALETTE, "#882255", "#44AA99")
"""Colours of classes."""


def landscapes(view: View, data: str) -> Iterator[Plot]:
    """Plot three rows of maps per plane, one column per model (at most four per figure), first seed."""
    known = TABLE.get(data)
    for name in view.quantities("landscape", data):
        found = [(series, records[0]) for series, records in view.found(data, Landscape, quantity=name)]
        for first in range(0, len(found), COLUMNS):
            yield _plane(view, name, found, found[first : first + COLUMNS], known.classes if known else ())


def _plane(
    view: View,
    name: str,
    every: list[tuple[Series, Landscape]],
    some: list[tuple[Series, Landscape]],
    names: Sequence[str],
) -> Plot:
    columns = len(some)
    plot = Plot(view, 3 * columns, 1.9 + (columns < COLUMNS) * 0.3, columns, name)
    plot.legend = False
    norms = torch.cat([v.jacobian.flatten() for _, v in every])
    last = min(len(SHADES), 1 + max(int(v.predicted.max()) for _, v in every))
    colours = ListedColormap(SHADES[:last])
    rows = (
        ("jacobian", f"‖∂z/∂x‖ at {some[0][1].place}", (float(norms.min()), float(norms.max())), "magma"),
        ("predicted", "predicted class", (-0.5, last - 0.5), colours),
        ("confidence", "largest softmax", (0.0, 1.0), "viridis"),
    )
    for k, (field, title, limits, cmap) in enumerate(rows):
        panels = plot.panels[k * columns : (k + 1) * columns]
        for axes, (series, seen) in zip(panels, some, strict=True):
            values = getattr(seen, field) % len(SHADES) if field == "predicted" else getattr(seen, field)
            across, up = thinned(len(seen.eps), 1, 60), thinned(len(seen.xi), 1, 60)
            look = {"vmin": limits[0], "vmax": limits[1], "cmap": cmap}
            mesh = plot.map(
                axes, series, seen.eps[across], seen.xi[up], values[across][:, up], title, seen.seed, **look
            )
            axes.set(aspect="equal", title=label(series.label, 20) if k == 0 else "")
            axes.set(xlabel=f"ε (L2, {seen.space})", ylabel=f"ξ (L2, {seen.space})")
            few(axes, "xy")
            _overlay(axes, seen, "black" if field == "predicted" else "white")
        ticks = range(last) if field == "predicted" else None
        bar = plot.figure.colorbar(mesh, ax=panels, label=title, shrink=0.85, aspect=14, ticks=ticks)
        if field == "predicted" and len(names) >= last:
            bar.ax.set_yticklabels([label(n, 12) for n in names[:last]], fontsize=6)
    return plot


def _overlay(axes: Axes, seen: Landscape, colour: str) -> None:
    """Plot the images, and the decision boundary around the first."""
    axes.plot(*seen.anchors.T.numpy(), "+", color=colour, ms=4)
    t = torch.where(torch.isfinite(seen.boundary), seen.boundary, math.nan)
    at, limits = seen.anchors[0], (*axes.get_xlim(), *axes.get_ylim())
    axes.plot(at[0] + t * seen.angle.cos(), at[1] + t * seen.angle.sin(), color=colour, lw=0.7)
    axes.set(xlim=limits[:2], ylim=limits[2:])
