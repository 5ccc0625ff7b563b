"""Base class of Hebbian rules in which every unit learns from every row, by a gain that its input current decides."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.rules.protocol import Rows, Rule


@dataclass(frozen=True)
class Hebbian(Rule):
    """Base class of the rules ΔW = Yᵀ X − D W, with the gains Y = `gains(U)` of the input currents U = X Wᵀ.

    D = `decay(U, Y)` keeps the weights finite: one number per unit, or a matrix in which units inhibit each other.
    A subclass writes `gains`, `init` and `health`, and nothing about rows or patches: a convolution computes U and
    Yᵀ X as a convolution and its weight gradient, without cutting out patches (`models.LocalConv2d.change`).
    """

    @abstractmethod
    def gains(self, u: Float[Tensor, "rows units"]) -> Float[Tensor, "rows units"]:
        """Gain y of every unit for every row, from the input currents."""

    def decay(self, u: Float[Tensor, "rows units"], y: Float[Tensor, "rows units"]) -> Tensor:
        """D, by default Σ_b y_b u_b per unit, which drives ‖w‖₂ to 1 where y u > 0 (Oja 1982)."""
        return (y * u).sum(0)

    def winners(self, u: Float[Tensor, "rows units"]) -> Int[Tensor, " rows"]:
        """The unit that wins each row: that of the largest current."""
        return u.argmax(1)

    def change(
        self,
        u: Float[Tensor, "rows units"],
        y: Float[Tensor, "rows units"],
        correlation: Float[Tensor, "units inputs"],
        weight: Float[Tensor, "units inputs"],
    ) -> Rows:
        """The weight change from currents, gains and their correlation Yᵀ X with the input."""
        d = self.decay(u, y)
        values = correlation - (d @ weight if d.ndim == 2 else d[:, None] * weight)
        winners = self.winners(u)
        repelled = int((u.gather(1, winners[:, None]) < 0).sum())
        return Rows(torch.arange(len(weight), device=weight.device), values, winners, repelled)

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        x = x.to(weight.dtype)
        u = x @ (self.derive(weight) if derived is None else derived).T
        y = self.gains(u)
        return self.change(u, y, y.T @ x, weight)
