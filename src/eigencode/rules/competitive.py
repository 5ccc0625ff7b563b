"""Competitive learning: every unit becomes the mean of the rows nearest to it, as in k-means."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import host
from eigencode.rules.convergence import Convergence
from eigencode.rules.hebbian import Hebbian
from eigencode.rules.protocol import Rows


@dataclass(frozen=True)
class Competitive(Hebbian):
    """Competitive (instar) learning: the unit nearest to a row moves towards it, ΔW_k = Σ_b (x_b − W_k) over its rows.

    A step moves a unit by the mean over the rows it won in the batch, W_k ← W_k + lr · ΔW_k / wins_k.  All rows in one
    batch and lr = 1 is an iteration of k-means (Lloyd 1982); small batches and a falling lr are mini-batch k-means
    with the lr of the training loop in place of 1 / (all wins so far), of which a rule without memory knows nothing.

    The nearest unit is the one of the smallest Euclidean distance, that is of the largest u_k − ‖W_k‖²/2.  The largest
    current u_k alone, the other common choice, is the same for weights of one norm, and lets the longest vector win
    every row if the norms are free, as here.

    Units far from the data never win.  Start them at rows of the data where you can, before training:
    `layer.weight.copy_(layer.rows(x)[:units])` under `torch.no_grad()`.

    Args:
        spread: standard deviation of the initial weights.

    Source: Coates, Ng and Lee, AISTATS 2011 (k-means features); Miconi, arXiv 2107.01729 (2021), the instar rule in
    convolutional networks; Lloyd, IEEE Transactions on Information Theory 28 (1982) 129.

    >>> rule, w = Competitive(), torch.tensor([[0.0, 0.0], [9.0, 9.0]])
    >>> rule.step(w, rule.rows(torch.tensor([[1.0, 0.0], [2.0, 4.0]]), w), size=1.0)
    >>> w
    tensor([[1.5000, 2.0000],
            [9.0000, 9.0000]])
    """

    spread: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.spread < math.inf:
            raise InputError("Competitive: spread is out of range", got=self.spread, wanted="a finite number > 0")

    def init(self, units: int, inputs: int, generator: torch.Generator) -> Float[Tensor, "units inputs"]:
        return torch.randn(units, inputs, generator=generator, device=generator.device).mul_(self.spread)

    def winners(self, u: Float[Tensor, "rows units"], weight: Float[Tensor, "units inputs"]) -> Int[Tensor, " rows"]:
        """The nearest unit of each row."""
        return (u - weight.square().sum(1) / 2).max(1).indices

    def gains(self, u: Float[Tensor, "rows units"], winners: Int[Tensor, " rows"]) -> Float[Tensor, "rows units"]:
        return torch.zeros_like(u).scatter_(1, winners[:, None], 1.0)

    def decay(self, u: Float[Tensor, "rows units"], y: Float[Tensor, "rows units"]) -> Float[Tensor, " units"]:
        """Number of rows that each unit won."""
        return y.sum(0)

    def rows(self, x: Tensor, weight: Tensor, derived: Tensor | None = None) -> Rows:
        return super().rows(x, weight, derived)._replace(repelled=0)  # a winner moves towards its rows, whatever u is

    def step(self, weight: Float[Tensor, "units inputs"], change: Rows, size: float) -> None:
        """Apply W_k ← W_k + size · ΔW_k / wins_k in place, with the wins in this batch."""
        wins = torch.bincount(change.winners, minlength=len(weight))[change.units]
        change.add_to(weight, size / wins.clamp_min(1).to(weight.dtype))

    def health(self, weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"]) -> Convergence:
        """A unit counts as converged if it won at least one row in the last epoch: an empty cluster has no centre.

        Whether centres still move cannot be seen in the weights; the mean squared distance of rows to their winner
        (the inertia) tells.
        """
        norm = torch.linalg.vector_norm(weight, dim=1)
        return Convergence(
            radius=math.nan,
            p=2.0,
            norm=host(norm),
            converged=host(wins, None) > 0,
            diverged=~torch.isfinite(norm).cpu(),
            wins=host(wins, None),
            criterion="wins ≥ 1",
        )
