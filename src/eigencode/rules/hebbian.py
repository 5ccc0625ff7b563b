"""Base class of Hebbian rules in which every unit learns from every row, by a gain that the competition decides."""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.precision import Precision
from eigencode.rules.protocol import Rows, Rule


@dataclass(frozen=True)
class Hebbian(Rule):
    """Base class of the rules ΔW = Yᵀ X − D W, with the gains Y = `gains(U, …)` of the input currents U = X Wᵀ.

    D = `decay(U, Y)` keeps the weights finite: one number per unit, or a matrix in which units inhibit each other.
    A subclass writes `gains`, `init` and `health`, and nothing about rows or patches.

    Args:
        precision: `"float32"`, or `"bfloat16"` for the matrix products U and Yᵀ X (8 bits per factor and per result,
            sums in float32) on hardware with native bfloat16 products; float32 on any other.  Weights, gains, D and
            the step are float32.
    """

    precision: Precision = field(default="float32", kw_only=True)

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise InputError("unknown precision", got=self.precision, wanted="'float32' or 'bfloat16'")

    @abstractmethod
    def gains(self, u: Float[Tensor, "rows units"], winners: Int[Tensor, " rows"]) -> Float[Tensor, "rows units"]:
        """Gain y of every unit for every row, from the input currents and the winning unit of every row."""

    def decay(self, u: Float[Tensor, "rows units"], y: Float[Tensor, "rows units"]) -> Tensor:
        """D, by default Σ_b y_b u_b per unit, which drives ‖w‖₂ to 1 where y u > 0 (Oja 1982)."""
        return (y * u).sum(0)

    def winners(self, u: Float[Tensor, "rows units"], weight: Float[Tensor, "units inputs"]) -> Int[Tensor, " rows"]:
        """The unit that wins each row: that of the largest current."""
        return u.max(1).indices

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        matrix = self.operand(weight) if derived is None else derived
        x = x.to(matrix.dtype)
        u = (x @ matrix.T).to(weight.dtype)
        winners = self.winners(u, weight)
        y = self.gains(u, winners)
        values, d = (y.to(x.dtype).T @ x).to(weight.dtype), self.decay(u, y)
        if d.ndim == 2:
            values.addmm_(d, weight, alpha=-1)
        else:
            values.addcmul_(d[:, None], weight, value=-1)
        repelled = int((u.gather(1, winners[:, None]) < 0).sum())
        return Rows(torch.arange(len(weight), device=weight.device), values, winners, repelled)
