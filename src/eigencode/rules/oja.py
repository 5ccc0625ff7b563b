"""Oja's rules: units that find the leading principal directions of their input."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.rules.convergence import Convergence, towards_radius
from eigencode.rules.hebbian import Hebbian


@dataclass(frozen=True)
class Oja(Hebbian):
    """Oja's subspace rule: the weights of k units converge to an orthonormal basis of the k leading directions.

        ΔW = Σ_b y_b (x_b − Wᵀ y_b)ᵀ,   y = W x

    The directions are eigenvectors of the second moments E[x xᵀ] of the rows, principal components if their mean is
    zero.  The basis is rotated arbitrarily within their span; `Sanger` gives the directions themselves.

    Args:
        spread: standard deviation of the initial weights.

    Source: Oja, International Journal of Neural Systems 1 (1989) 61.

    >>> Oja().update(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([[ 0.3750, -0.1250]])
    """

    spread: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.spread < math.inf:
            raise InputError("Oja: spread is out of range", got=self.spread, wanted="a finite number > 0")

    def init(self, units: int, inputs: int, generator: torch.Generator) -> Float[Tensor, "units inputs"]:
        return torch.randn(units, inputs, generator=generator, device=generator.device).mul_(self.spread)

    def gains(self, u: Float[Tensor, "rows units"], winners: Int[Tensor, " rows"]) -> Float[Tensor, "rows units"]:
        return u

    def decay(self, u: Float[Tensor, "rows units"], y: Float[Tensor, "rows units"]) -> Float[Tensor, "units units"]:
        return y.T @ y

    def winners(self, u: Float[Tensor, "rows units"], weight: Float[Tensor, "units inputs"]) -> Int[Tensor, " rows"]:
        """The unit of the largest |current|: the sign of a direction is arbitrary."""
        return u.abs().argmax(1)

    def health(self, weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"]) -> Convergence:
        found = towards_radius(weight, wins, p=2.0, radius=1.0)
        return replace(found, diverged=~torch.isfinite(found.norm))  # the sign of the mean weight is arbitrary too


@dataclass(frozen=True)
class Sanger(Oja):
    """Sanger's generalised Hebbian algorithm: unit i converges to the i-th leading direction of the rows.

        ΔW_i = Σ_b y_bi (x_b − Σ_{j ≤ i} y_bj W_j)

    Args:
        spread: as in `Oja`.

    Source: Sanger, Neural Networks 2 (1989) 459, eq. 11.
    """

    def decay(self, u: Float[Tensor, "rows units"], y: Float[Tensor, "rows units"]) -> Float[Tensor, "units units"]:
        return (y.T @ y).tril()
