"""Weights of locally trained units as images, sorted by number of wins."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from eigencode.report.figures._style import HEIGHT, WIDTH, label
from eigencode.report.figures.plot import Plot
from eigencode.report.run import StudyRun, arrays
from eigencode.report.view import View
from eigencode.rules.convergence import Convergence

MOST = 3
"""Most models of a figure."""


def receptive_fields(view: View, data: str) -> Iterator[Plot]:
    """Plot the weights of the units with most wins per locally trained model, first seed; red positive, blue negative.

    Units that have not converged are framed.
    """
    found = [(s, folder) for s in view.series(data) for folder in s.run.locally_trained(data, s.model)[:1]]
    found = [(s, folder) for s, folder in found if s.run.results["study"]["receptive_fields"]][:MOST]
    if not found:
        return
    width = WIDTH * min(1.0, 0.2 + 0.32 * len(found)) / len(found)
    plot = Plot(view, len(found), min(HEIGHT, width + 0.1))
    plot.legend = False
    for axes, (series, folder) in zip(plot.panels, found, strict=True):
        held, state = arrays(folder), StudyRun.read(Convergence, folder / "convergence")
        order = state.wins.argsort(descending=True, stable=True)[: series.run.results["study"]["receptive_fields"]]
        marked = ~state.converged[order]
        mosaic(axes, held["encoder.weight"][order], image_shape(folder), marked)
        axes.set_title(f"{label(series.label, 24)}: {len(order)} of {len(state.wins)} units")
        axes.set(xlabel="unit", ylabel="wins")
        plot.mark([], axes, series)
        plot.mark([], axes, series, order, state.wins[order], aside=True)
    yield plot


def mosaic(
    axes: Axes, weights: Tensor, shape: tuple[int, int, int], marked: Tensor | None = None, pixels: str = "nearest"
) -> AxesImage:
    """Plot the weights of units as one picture of tiles, each scaled by its largest magnitude.

    `pixels`: "nearest", or "none" to leave their enlargement to the reader of an SVG, whose file is smaller then.
    """
    channels, high, wide = shape
    columns = max(1, -(-len(weights) // max(1, round((len(weights) * wide / high) ** 0.5))))
    rows = -(-len(weights) // columns)
    scaled = weights.double() / weights.abs().amax(1, keepdim=True).clamp_min(1e-30)
    tiles = torch.full((rows * columns, channels, high + 1, wide + 1), torch.nan, dtype=torch.float64)
    tiles[: len(weights), :, 1:, 1:] = scaled.reshape(-1, *shape)
    whole = tiles.reshape(rows, columns, channels, high + 1, wide + 1).permute(2, 0, 3, 1, 4)
    picture = whole.reshape(channels, rows * (high + 1), columns * (wide + 1))
    if channels == 3:
        colours = (picture.nan_to_num(1.0).permute(1, 2, 0) / 2 + 0.5).clamp(0, 1)
        found = axes.imshow(colours.numpy(), interpolation=pixels)
    else:
        found = axes.imshow(picture.mean(0).numpy(), cmap="RdBu_r", vmin=-1, vmax=1, interpolation=pixels)
    for i in marked.nonzero().flatten().tolist() if marked is not None else ():
        x, y = i % columns * (wide + 1) + 0.2, i // columns * (high + 1) + 0.2
        axes.plot([x, x + wide, x + wide, x, x], [y, y, y + high, y + high, y], color="black", lw=0.6, ls=":")
    axes.set_axis_off()
    return found


def image_shape(folder: Path) -> tuple[int, int, int]:
    """Read the image shape from the header of the weights file."""
    from safetensors import safe_open

    with safe_open(str(folder / "network.safetensors"), "pt") as file:
        shape = json.loads(file.metadata()["eigencode"])["shape"]
    return (int(shape[0]), int(shape[1]), int(shape[2]))
