"""Weights of the units of a layer as a picture of tiles."""

import json
import math
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from eigencode.report.run import arrays

Shape = tuple[int, int, int]
"""Channels, height and width of an image or patch."""


def first_layer(folder: Path) -> tuple[Tensor, Tensor, Shape]:
    """Weights and wins of the first local layer of a stored network, and the shape of what its units see.

    That is the image, or a square patch of it.
    """
    found, (channels, high, wide) = arrays(folder), image_shape(folder)
    name = min(n for n in found if n.endswith(".wins")).removesuffix(".wins")
    weights, wins = found[f"{name}.weight"], found[f"{name}.wins"]
    side = math.isqrt(weights.shape[1] // channels)
    return (
        weights,
        wins,
        (channels, high, wide) if weights[0].numel() == channels * high * wide else (channels, side, side),
    )


def mosaic(
    axes: Axes, weights: Tensor, shape: Shape, marked: Tensor | None = None, pixels: str = "nearest"
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


def image_shape(folder: Path) -> Shape:
    """Read the image shape from the header of the weights file."""
    from safetensors import safe_open

    with safe_open(str(folder / "network.safetensors"), "pt") as file:
        shape = json.loads(file.metadata()["eigencode"])["shape"]
    return (int(shape[0]), int(shape[1]), int(shape[2]))
