"""Random perturbations: Gaussian noise, and noise that is uniform on a sphere."""

from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from eigencode.base.types import Bounds, Norm, Space
from eigencode.robustness._balls import per_image, unit
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class _Noise(Perturbation):
    """Noise x + eps · d with one random direction d per image."""

    clip: bool | None = None
    norm: Norm = field(default="l2", init=False, repr=False)
    path: ClassVar[bool] = True
    blind: ClassVar[bool] = True

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        assert prepared is not None
        return x + per_image(eps, x) * prepared

    def box(self, space: Space) -> Bounds:
        clip = space == "pixel" if self.clip is None else self.clip
        return Bounds(0.0, 1.0) if clip else Bounds.none()


@dataclass(frozen=True)
class Gaussian(_Noise):
    """Gaussian noise x + eps · d, with one d ~ N(0, 1) per image for all eps.

    `eps` is the standard deviation per pixel, not the radius of a ball; the L2 size is about eps·√inputs.

    Args:
        clip: clip to [0, 1]; None: in pixel space only (arXiv 2405.00679, section 3.4).

    Differs from the code published with arXiv 2405.00679 by the fixed direction: theirs draws a new one for each
    eps, so that the critical eps is a minimum over as many draws as the grid has points.

    >>> import torch
    >>> x, y = torch.full((1, 2), 0.5), torch.tensor([0])
    >>> Gaussian()(lambda x: x, x, y, eps=0.1).size, Gaussian()(lambda x: x, x, y, eps=0.2).size
    (tensor([0.1076], dtype=torch.float64), tensor([0.2152], dtype=torch.float64))
    """

    ball: ClassVar[bool] = False

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Float[Tensor, "n *image"]:
        return draws.normal(x.shape[1:]).to(x)

    def reach(self, inputs: int) -> float:
        return float(10**0.916)  # the largest standard deviation of arXiv 2405.00679


@dataclass(frozen=True)
class Sphere(_Noise):
    """Noise x + eps · d, with one d per image, uniform on the unit L2 sphere, for all eps.

    Args:
        clip: clip to [0, 1]; None: in pixel space only.

    >>> import torch
    >>> x, y = torch.full((1, 2), 0.5), torch.tensor([0])
    >>> Sphere()(lambda x: x, x, y, eps=0.1).size
    tensor([0.1000], dtype=torch.float64)
    """

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Float[Tensor, "n *image"]:
        return unit(draws.normal(x.shape[1:]).to(x), "l2")
