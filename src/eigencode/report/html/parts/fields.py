"""Weights of locally trained units as images, with sorting keys."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigencode.report.figures.receptive_fields import image_shape
from eigencode.report.html._thinned import digits, packed, room
from eigencode.report.html.shown import Shown
from eigencode.report.run import arrays
from eigencode.rules.convergence import Convergence

CHARACTERS = 600_000


def fields(shown: Shown) -> list[dict[str, Any]]:
    """Data of the receptive fields: one entry per run, data set and locally trained model, first seed.

    `units` holds the first units in each of the three orders: most wins, largest variance, farthest from the radius.
    """
    found = []
    for item in shown.combinations():
        wanted = int(item.run.results["study"]["receptive_fields"])
        folders = item.run.locally_trained(item.data_name, item.model_name)[:1]
        found += [(item, folder, wanted) for folder in folders if wanted]
    return [{**p.entry(), **_gallery(Convergence.load(f / "convergence"), f, n, len(found))} for p, f, n in found]


def _gallery(state: Convergence, folder: Path, wanted: int, galleries: int) -> dict[str, Any]:
    held = arrays(folder)
    weight = held["encoder.weight"].double()
    shape = image_shape(folder)
    variance, away = weight.var(1, correction=0), (state.norm - state.radius).abs()
    first = min(wanted, room(CHARACTERS, 3 * galleries, weight.shape[1] * 4 / 3, 4, wanted))
    orders = [values.argsort(descending=True, stable=True)[:first] for values in (state.wins, variance, away)]
    chosen = torch.tensor(sorted(set(torch.cat(orders).tolist())))
    largest = weight[chosen].abs().amax(1, keepdim=True).clamp_min(1e-30)
    pixels = (127.5 + 127.5 * weight[chosen] / largest).round().to(torch.uint8)
    return {
        "total": len(weight),
        "first": first,
        "shape": list(shape),
        "radius": state.radius,
        "units": chosen.tolist(),
        "wins": state.wins[chosen].tolist(),
        "norm": digits(state.norm[chosen], 6),
        "converged": state.converged[chosen].tolist(),
        "variance": digits(variance[chosen], 5),
        "pixels": packed(_last_channel(pixels, shape).numpy()),
    }


def _last_channel(pixels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Reshape to units x height x width x channels."""
    return pixels.reshape(-1, *shape).permute(0, 2, 3, 1)
