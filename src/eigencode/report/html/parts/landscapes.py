"""Maps of a network on a plane through test images, first seed."""

import math
from typing import Any

import torch
from torch import Tensor

from eigencode.geometry.maps import Landscape
from eigencode.report.html._thinned import digits, picked, room
from eigencode.report.html.shown import Shown

CHARACTERS, EACH = 400_000, 15


def landscapes(shown: Shown) -> list[dict[str, Any]]:
    """Data of the landscapes: one entry per run, data set, model and plane; maps have rows ξ and columns ε."""
    count = sum(1 for _ in shown.found("landscape", Landscape))
    points = math.isqrt(room(CHARACTERS, count, EACH, 15 * 15, 80 * 80))
    entries = []
    for item, quantity, (view, *_) in shown.found("landscape", Landscape):
        across, up = picked(len(view.eps), points), picked(len(view.xi), points)
        entry = {
            **item.entry(shown.quantities.index(quantity)),
            "axis": f"L2, {view.space} space",
            "label": f"‖∂z/∂x‖ of {view.place}",
            "points": [len(view.eps), len(view.xi)],
            "eps": digits(view.eps[across]),
            "xi": digits(view.xi[up]),
            "jacobian": [digits(row) for row in _rows(view.jacobian, across, up)],
            "predicted": _rows(view.predicted, across, up).tolist(),
            "confidence": [digits(row, 3) for row in _rows(view.confidence, across, up)],
            "anchors": [digits(point) for point in view.anchors],
            "boundary": [digits(point) for point in _boundary(view)],
        }
        entries.append(entry)
    return entries


def _rows(values: Tensor, across: list[int], up: list[int]) -> Tensor:
    return values[across][:, up].T


def _boundary(view: Landscape) -> Tensor:
    """Points of the decision boundary along rays from the first image; NaN where there is none."""
    t = torch.where(torch.isfinite(view.boundary), view.boundary, math.nan)
    return torch.stack([t * view.angle.cos(), t * view.angle.sin()], 1) + view.anchors[0]
