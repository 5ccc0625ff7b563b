"""Is a representation flatter where the images are, and across them, than it is elsewhere?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record, host
from eigencode.base.seeding import stream
from eigencode.geometry.intervals import median_estimate
from eigencode.geometry.jacobian import jacobian_norm
from eigencode.geometry.plan import Method
from eigencode.geometry.products import directions, linearised
from eigencode.representation.at import Code, at
from eigencode.representation.modes import borrowed


@dataclass(frozen=True)
class JacobianDistribution(Record):
    """Stretch at the images and away from them, along the data and along noise; one value per image.

    Attributes:
        at_images: ‖J‖_F at the image.
        at_noise: ‖J‖_F at a Gaussian noise image of the same L2 norm.
        along_data: ‖J t‖₂ at the image, t the unit vector to its nearest neighbour among the images (L2).
        along_noise: ‖J t‖₂ at the image, t a random unit vector; ‖J‖_F / sqrt(inputs) in the mean square.
    """

    at_images: Float[Tensor, " image"]
    at_noise: Float[Tensor, " image"]
    along_data: Float[Tensor, " image"]
    along_noise: Float[Tensor, " image"]
    method: str
    place: str
    space: str
    seed: int
    norm: str = "frobenius at, L2 along"
    dims: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("at_images", "at_noise", "along_data", "along_noise"), ("image",)
    )

    @property
    def medians(self) -> dict[str, Estimate]:
        """Median of each, 95 % interval of order statistics."""
        return {name: median_estimate(values) for name, values in self.tensors().items()}


def jacobian_distribution(
    code: nn.Module | Callable[[Tensor], Tensor],
    x: Float[Tensor, "image *shape"],
    *,
    method: Method = "auto",
    projections: int = 100,
    batch_size: int = 500,
    seed: int = 0,
) -> JacobianDistribution:
    """Jacobian norms on the data and off it.

    Args:
        code, method, projections, batch_size, seed: as in `jacobian_norm`.
        x: at least two different images; all of them are compared for the nearest neighbours.

    >>> flat = lambda x: x * torch.tensor([5.0, 0.1])            # the data vary along the second axis only
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.3], [1.0, 0.9]])
    >>> jacobian_distribution(flat, x).along_data.round(decimals=4).tolist()
    [0.1, 0.1, 0.1]
    """
    if len(x) < 2:
        raise InputError("a single image has no neighbour", got=len(x), wanted="at least two images")
    if isinstance(code, nn.Module) and not isinstance(code, Code):
        code = at(code, "logits")
    along: list[tuple[Tensor, Tensor]] = []
    with borrowed(code), torch.no_grad():
        points = code.points(x.detach()) if isinstance(code, Code) else x.detach()
        generator = stream(seed, "noise", device=points.device)
        lengths = torch.linalg.vector_norm(points.flatten(1), dim=1, keepdim=True)
        noise = (directions(points.flatten(1), generator) * lengths).reshape(points.shape)
        random = directions(points.flatten(1), generator).reshape(points.shape)
        towards = _nearest(points)
        for first in range(0, len(points), batch_size):
            part = slice(first, first + batch_size)
            _, _, push = linearised(code, points[part])
            along.append((_length(push(towards[part])), _length(push(random[part]))))
    here, there = (
        jacobian_norm(code, where, method, projections=projections, points=True, batch_size=batch_size, seed=seed)
        for where in (points, noise)
    )
    along_data, along_noise = (torch.cat(column) for column in zip(*along))
    return JacobianDistribution(
        here.value, there.value, along_data, along_noise, here.method, here.place, here.space, seed
    )


def _length(v: Tensor) -> Tensor:
    return host(v).flatten(1).square().sum(1).sqrt()


def _nearest(points: Tensor) -> Tensor:
    """Unit vectors from every point to the nearest different one."""
    flat = points.flatten(1)
    steps = []
    for first in range(0, len(flat), 1000):
        row = flat[first : first + 1000]
        distance = torch.cdist(row, flat)
        distance[distance <= 1e-6 * distance.amax(1, keepdim=True)] = torch.inf  # itself and exact copies
        steps.append(flat[distance.argmin(1)] - row)
    step = torch.cat(steps)
    length = step.square().sum(1, keepdim=True).sqrt()
    if bool((length == 0).any()):
        raise InputError("all images are the same", wanted="at least two different images")
    return (step / length).reshape(points.shape)
