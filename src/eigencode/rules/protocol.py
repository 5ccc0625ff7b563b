"""A local learning rule: initial weights, their change per batch, the step it is applied with, and when it is done."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from eigencode.base.errors import InputError, TrainingError
from eigencode.rules.convergence import Convergence

TINY = 1e-30


class Rows(NamedTuple):
    """A change of some rows of a weight matrix: `weight[units] += values`, and who won for every sample."""

    units: Int[Tensor, " rows"]
    values: Float[Tensor, "rows inputs"]
    winners: Int[Tensor, " batch"]
    repelled: int
    """Samples whose winner has a negative input current and is therefore pushed away from the data."""


class Rule(ABC):
    """A local rule.  Settings are the fields of a frozen dataclass; randomness comes from the caller's generator.

    A rule sees a weight matrix and the rows it is applied to: flattened images or the patches of a convolution,
    which is the layer's business.  The order of the samples, the learning rate of each epoch and checkpoints are
    the loop's (`training.train_local`).
    """

    @property
    def layer_settings(self) -> dict[str, float]:
        """The settings a layer shares with its rule; a layer built for others is refused by `train_local`."""
        return {}

    @abstractmethod
    def init(self, units: int, inputs: int, generator: torch.Generator) -> Float[Tensor, "units inputs"]:
        """Initial weights, float32 on the generator's device."""

    @abstractmethod
    def rows(
        self,
        x: Float[Tensor, "batch inputs"],
        weight: Float[Tensor, "units inputs"],
        derived: Shaped[Tensor, "units inputs"] | None = None,
    ) -> Rows:
        """The rows of `weight` that this batch changes, and by how much.

        `derived` is `self.derive(weight)` if the caller keeps it: a loop that changes few rows per step refreshes
        those rows only.
        """

    def derive(self, weight: Float[Tensor, "units inputs"]) -> Shaped[Tensor, "units inputs"]:
        """What multiplies the input, a function of each row of `weight` by itself; the weights unless overridden."""
        return weight

    def step(self, weight: Float[Tensor, "units inputs"], change: Rows, size: float) -> None:
        """Apply a change to `weight`, in place: W ← W + size · ΔW / max|ΔW|, one maximum for the whole matrix.

        `size` is the step size of the epoch, here in the units of a weight.  Only the rows that change are touched.
        A rule with another step overrides this.

        Raises:
            TrainingError: the change is not finite.
        """
        largest = float(change.values.abs().max())
        if not largest < float("inf"):
            raise TrainingError(f"the largest change is {largest}")
        weight.index_add_(0, change.units, change.values, alpha=size / max(largest, TINY))

    @abstractmethod
    def health(self, weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"]) -> Convergence:
        """The state of a layer of this rule: which units have converged, which have gone astray.

        `wins` counts the samples each unit won in the last epoch (−1: unknown).  `rules.towards_radius` is the answer
        for rules that draw the norms of all winners to one value.
        """

    def update(
        self, x: Float[Tensor, "batch inputs"], W: Float[Tensor, "units inputs"]
    ) -> Float[Tensor, "units inputs"]:
        """ΔW, the raw sum over the batch; neither argument is changed.

        Raises:
            InputError: shapes that do not fit, or NaN in either argument.
        """
        if x.ndim != 2 or W.ndim != 2 or x.shape[1] != W.shape[1] or len(x) == 0:
            raise InputError(
                "batch and weights do not fit",
                got=f"x {tuple(x.shape)}, W {tuple(W.shape)}",
                wanted="x (batch, inputs), W (units, inputs), the same inputs",
                fix="flatten the images: x.flatten(1)",
            )
        if not bool(torch.isfinite(x).all() and torch.isfinite(W).all()):
            raise InputError("NaN or Inf in the batch or the weights", wanted="finite numbers")
        change = self.rows(x, W)
        return torch.zeros_like(W).index_add_(0, change.units, change.values)
