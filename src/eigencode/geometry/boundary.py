"""How far the decision boundary is, along given directions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.record import Record, host
from eigencode.base.types import Space
from eigencode.representation.at import Logits, logits_of
from eigencode.representation.modes import borrowed


@dataclass(frozen=True)
class BoundaryDistance(Record):
    """L2 distance from one image to the first change of the predicted class, per direction; inf where there is none.

    Attributes:
        distance: per ray, in L2 units of `space`; an upper bound, at most `resolution` above the crossing it found.
        predicted: class at the image.
        radius: how far was looked.
        step: a region of another class that a ray crosses in less than this may have been missed.
        resolution: width of the last bisection interval.
    """

    distance: Float[Tensor, " ray"]
    predicted: int
    radius: float
    step: float
    resolution: float
    space: str
    norm: str = "l2"
    dims: ClassVar[dict[str, tuple[str, ...]]] = {"distance": ("ray",)}


def boundary_distance(
    net: nn.Module | Callable[[Tensor], Tensor],
    x0: Float[Tensor, "*image"],
    rays: Float[Tensor, "rays *image"],
    *,
    radius: float,
    space: Space = "unit",
    steps: int = 100,
    tolerance: float = 1e-4,
) -> BoundaryDistance:
    """Walk from an image along straight rays until the predicted class changes, then bisect.

    Args:
        net: a module with logits, or any function of images when `space` is "pixel".
        x0: one image, `C H W` in [0, 1]; in unit space the walk starts at `net.norm(x0)`.
        rays: directions in `space`, scaled to unit L2 length here.
        radius: how far to look, L2.
        space: "unit" or "pixel".
        steps: points looked at on each ray before bisecting.
        tolerance: of the distance, relative to `radius`.

    >>> half = lambda x: torch.stack([x[:, 0] - 3.0, 0 * x[:, 0]], 1)     # the boundary is x₀ = 3
    >>> rays = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    >>> boundary_distance(half, torch.zeros(2), rays, radius=10.0, space="pixel").distance.round(decimals=2).tolist()
    [3.0, 4.24, inf]
    """
    if not radius > 0 or steps < 1 or not 0 < tolerance < 1:
        raise InputError(
            "cannot search the boundary",
            got=f"radius {radius}, steps {steps}, tolerance {tolerance}",
            wanted="radius > 0, steps >= 1, 0 < tolerance < 1",
        )
    with borrowed(net), torch.no_grad():
        logits, to_points = logits_of(net, space)
        centre = to_points(x0.detach()[None])[0]
        length = torch.linalg.vector_norm(rays.flatten(1).double(), dim=1).reshape(-1, *[1] * x0.ndim)
        directions = (rays.double() / length).to(centre)
        predicted = int(logits(centre[None]).argmax(1))
        distance = _first_change(logits, centre, directions, predicted, radius, steps, tolerance)
    halvings = _halvings(steps, tolerance)
    return BoundaryDistance(
        distance=host(distance),
        predicted=predicted,
        radius=radius,
        step=radius / steps,
        resolution=radius / steps / 2**halvings,
        space=space,
    )


def _halvings(steps: int, tolerance: float) -> int:
    return max(0, math.ceil(math.log2(1 / (steps * tolerance))))


def _first_change(
    logits: Logits, centre: Tensor, rays: Tensor, predicted: int, radius: float, steps: int, tolerance: float
) -> Tensor:
    def changed(t: Tensor, which: Tensor) -> Tensor:
        points = centre + t.to(centre).reshape(-1, *[1] * centre.ndim) * rays[which]
        return logits(points).argmax(1) != predicted

    distance = torch.full((len(rays),), math.inf, dtype=torch.float64, device=rays.device)
    walking = torch.arange(len(rays), device=rays.device)
    for step in range(1, steps + 1):
        t = torch.full((len(walking),), radius * step / steps, dtype=torch.float64, device=rays.device)
        crossed = changed(t, walking)
        distance[walking[crossed]] = radius * step / steps
        walking = walking[~crossed]
        if not len(walking):
            break
    found = torch.isfinite(distance).nonzero().flatten()
    high = distance[found]
    low = high - radius / steps
    for _ in range(_halvings(steps, tolerance) if len(found) else 0):
        middle = (low + high) / 2
        crossed = changed(middle, found)
        high, low = torch.where(crossed, middle, high), torch.where(crossed, low, middle)
    distance[found] = high
    return distance
