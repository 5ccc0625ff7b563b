"""Figure 4 of the paper: Jacobian norm, predicted class and confidence on a plane, for all models on one scale."""

import math

import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from eigencode.geometry.maps import Landscape
from eigencode.report.figures._style import DOUBLE, PALETTE, label, lines_of
from eigencode.report.run import StudyRun

COLUMNS = 5

CLASSES = ListedColormap([*PALETTE, "#882255", "#44AA99"])


def landscapes(run: StudyRun, data: str) -> Figure | None:
    """Plot three rows of maps per landscape of the study, one column per model (at most five), first seed."""
    names = run.quantities("landscape")
    views = {
        name: {m: found[0] for m in run.models if (found := run.load(Landscape, data=data, model=m, quantity=name))}
        for name in names
    }
    views = {name: found for name, found in views.items() if found}
    return draw_landscapes(views) if views else None


def draw_landscapes(views: dict[str, dict[str, Landscape]]) -> Figure:
    """Plot maps of several planes; on each plane all models share the colour scales.

    Args:
        views: name of the plane -> model -> `Landscape`.
    """
    models = list(dict.fromkeys(m for found in views.values() for m in found))
    blocks = [(name, some) for name in views for some in lines_of(models, COLUMNS)]
    columns = min(COLUMNS, len(models))
    figure = Figure(figsize=(DOUBLE, 0.3 + 3 * len(blocks) * DOUBLE / max(3, columns)))
    panels = figure.subplots(3 * len(blocks), columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_visible(False)
    for block, (name, some) in enumerate(blocks):
        found = views[name]
        rows = panels[3 * block : 3 * block + 3]
        norms = torch.cat([v.jacobian.flatten() for v in found.values()])
        scales: list[tuple[str, tuple[float, float], object]] = [
            ("‖∂z/∂x‖", (float(norms.min()), float(norms.max())), "magma"),
            ("class", (-0.5, CLASSES.N - 0.5), CLASSES),
            ("largest softmax", (0.0, 1.0), "viridis"),
        ]
        for column, model in enumerate(some):
            if model not in found:
                continue
            view = found[model]
            maps = (view.jacobian, view.predicted % CLASSES.N, view.confidence)
            for axes, shown, (_, limits, colours) in zip(rows[:, column], maps, scales, strict=True):
                _map(axes, view, shown, limits, colours)
            _boundary(rows[1, column], view)
            rows[0, column].set_title(label(model) if len(views) == 1 else f"{label(model)}\n{label(name)}")
        for line, (title, _, _) in zip(rows, scales, strict=True):
            drawn = [axes for axes in line if axes.get_visible()]
            ticks = range(CLASSES.N) if title == "class" else None
            if drawn:
                figure.colorbar(drawn[0].images[0], ax=list(line), label=title, shrink=0.8, ticks=ticks)
    return figure


def _map(axes, view: Landscape, values: Tensor, limits: tuple[float, float], colours: object) -> None:  # type: ignore[no-untyped-def]
    axes.set_visible(True)
    extent = (float(view.eps[0]), float(view.eps[-1]), float(view.xi[0]), float(view.xi[-1]))
    axes.imshow(
        values.T.numpy(), origin="lower", extent=extent, vmin=limits[0], vmax=limits[1], cmap=colours,
        interpolation="nearest",
    )  # fmt: skip
    axes.plot(*view.anchors.T.numpy(), "+", color="white", ms=4)
    axes.tick_params(labelsize=5)


def _boundary(axes, view: Landscape) -> None:  # type: ignore[no-untyped-def]
    """Plot the decision boundary around the first image."""
    reached = torch.isfinite(view.boundary)
    if bool(reached.any()):
        at = view.anchors[0]
        t = torch.where(reached, view.boundary, math.nan)
        axes.plot(at[0] + t * view.angle.cos(), at[1] + t * view.angle.sin(), color="white", lw=0.7)
        axes.set_xlim(float(view.eps[0]), float(view.eps[-1]))
        axes.set_ylim(float(view.xi[0]), float(view.xi[-1]))
