"""Distance to the decision boundary along given directions."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def boundary_distance(
    logits: Callable[[Tensor], Tensor],
    centre: Float[Tensor, "*image"],
    rays: Float[Tensor, "rays *image"],
    radius: float,
    steps: int = 100,
    tolerance: float = 1e-4,
) -> Float[Tensor, " rays"]:
    """L2 distance from a point to the first change of the predicted class along each ray; inf if none is found.

    Evaluates `steps` points of each ray up to `radius`, then bisects: an upper bound, at most `tolerance * radius`
    above the crossing.  A region of another class thinner than `radius / steps` along the ray may be missed.

    >>> half = lambda x: torch.stack([x[:, 0] - 3.0, 0 * x[:, 0]], 1)     # the boundary is x₀ = 3
    >>> rays = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    >>> boundary_distance(half, torch.zeros(2), rays, 10.0).round(decimals=2).tolist()
    [3.0, 4.24, inf]
    """
    column = (-1, *[1] * centre.ndim)
    rays = (rays.double() / torch.linalg.vector_norm(rays.flatten(1).double(), dim=1).reshape(column)).to(centre)
    predicted = int(logits(centre[None]).argmax(1))

    def changed(t: Tensor, which: Tensor) -> Tensor:
        return logits(centre + t.to(centre).reshape(column) * rays[which]).argmax(1) != predicted

    distance = torch.full((len(rays),), math.inf, dtype=torch.float64, device=rays.device)
    walking = torch.arange(len(rays), device=rays.device)
    for step in range(1, steps + 1):
        crossed = changed(distance.new_full((len(walking),), radius * step / steps), walking)
        distance[walking[crossed]] = radius * step / steps
        walking = walking[~crossed]
        if not len(walking):
            break
    found = torch.isfinite(distance).nonzero().flatten()
    high = distance[found]
    low = high - radius / steps
    for _ in range(max(0, math.ceil(math.log2(1 / (steps * tolerance)))) if len(found) else 0):
        middle = (low + high) / 2
        crossed = changed(middle, found)
        high, low = torch.where(crossed, middle, high), torch.where(crossed, low, middle)
    distance[found] = high
    return distance
