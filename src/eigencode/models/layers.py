"""Layers of the networks: scaling to unit norm, rectified power unit, and a dense layer without bias."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError
from eigencode.base.transposed import transposed_gradient


class UnitNorm(Admitted, nn.Module):
    """Scale every image to unit Lp norm: x / ‖x‖_p, over all of its pixels and channels together.

    It is a layer, not a preprocessing step, so that a network takes pixels, an attack can work in pixel space, and the
    derivative includes the scaling.  An image that is zero everywhere stays zero, with derivative zero (`Images`
    refuses such images).  The shape is kept.

    Source: arXiv 2405.00679, section 2 (p = 3).

    >>> UnitNorm(p=2.0)(torch.tensor([[[[3.0, 4.0]]]]))
    tensor([[[[0.6000, 0.8000]]]])
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        if not p >= 1:
            raise InputError("UnitNorm: p is out of range", got=p, wanted="a number >= 1")
        self.p = float(p)

    def forward(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n *image"]:
        length = torch.linalg.vector_norm(x.flatten(1), self.p, dim=1)
        length = torch.where(length > 0, length, torch.inf)
        unit: Tensor = x / length.reshape(-1, *[1] * (x.ndim - 1))
        return unit

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class RePU(Admitted, nn.Module):
    """Rectified power unit: max(h, 0)^n.  n = 1 is ReLU; n = 4.5 is the paper's choice for Krotov–Hopfield codes.

    >>> RePU(2.0)(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    """

    def __init__(self, n: float = 1.0) -> None:
        super().__init__()
        if not n > 0:
            raise InputError("RePU: n is out of range", got=n, wanted="a number > 0")
        self.n = float(n)

    def forward(self, h: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        if self.n >= 1:
            return F.relu(h) if self.n == 1 else F.relu(h).pow(self.n)
        on = h > 0  # the slope at 0 is infinite; in the graph, 0 · inf would make the gradient NaN
        return torch.where(on, torch.where(on, h, 1.0).pow(self.n), 0.0)

    def extra_repr(self) -> str:
        return f"n={self.n:g}"


class Dense(Admitted, nn.Linear):
    """Linear layer h = W x on flattened images, without bias; He initialisation σ² = 2 / inputs (2015, eq. 10)."""

    def __init__(self, inputs: int, units: int, generator: torch.Generator | None = None) -> None:
        if inputs < 1 or units < 1:
            raise InputError("Dense: a size is out of range", got=f"{inputs} inputs, {units} units", wanted=">= 1")
        super().__init__(inputs, units, bias=False, device="meta")
        weight = torch.randn(units, inputs, generator=generator) * (2 / inputs) ** 0.5
        self.weight = nn.Parameter(weight)

    def matrix(self) -> Tensor:
        """The matrix A of h = A x."""
        return self.weight

    def forward(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n units"]:
        return transposed_gradient(F.linear(x.flatten(1), self.weight))
