"""Base class of local learning rules: initial weights, weight change per batch, update step, convergence test."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError, TrainingError
from eigencode.rules.convergence import Convergence

TINY = 1e-30


class Rows(NamedTuple):
    """A sparse weight change, `weight[units] += values`, and the winning unit of every sample."""

    units: Int[Tensor, " rows"]
    values: Float[Tensor, "rows inputs"]
    winners: Int[Tensor, " batch"]
    repelled: int
    """Number of samples whose winner has a negative input current h; its weights then grow away from the data."""


class Rule(Admitted, ABC):
    """Base class of local learning rules; a subclass is a frozen dataclass whose fields are the settings.

    A rule computes weight changes from a weight matrix and the rows it is applied to, which the layer provides:
    flattened images, or the patches of a convolution.  The order of the samples, the step size of each epoch and
    checkpoints belong to the training loop (`training.train_local`).  Random numbers come from the caller's generator.
    """

    @property
    def layer_settings(self) -> dict[str, float]:
        """Settings that layer and rule must agree on; `train_local` raises if they differ."""
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
        """Compute the weight change of one batch of rows.

        `derived` is `self.derive(weight)` if the caller has it already: the training loop recomputes only the rows
        that changed.
        """

    def derive(self, weight: Float[Tensor, "units inputs"]) -> Shaped[Tensor, "units inputs"]:
        """Matrix that multiplies the input, computed from `weight` row by row; the weights unless overridden."""
        return weight

    def step(self, weight: Float[Tensor, "units inputs"], change: Rows, size: float) -> None:
        """Apply a change to `weight`, in place: W ← W + size · ΔW / max|ΔW|, one maximum for the whole matrix.

        `size` is the step size of the epoch, here in the units of a weight.  Only the rows that change are touched.
        A rule with another step overrides this.

        Raises:
            TrainingError: the change is not finite.
        """
        weight.index_add_(0, change.units, change.values, alpha=size / finite_maximum(change.values))

    @abstractmethod
    def health(self, weight: Float[Tensor, "units inputs"], wins: Int[Tensor, " units"]) -> Convergence:
        """Convergence test of a layer trained by this rule: converged and diverged units.

        `wins` counts the samples each unit won in the last epoch (−1: unknown).  Rules that drive the norms of all
        winners to one value can return `rules.towards_radius(...)`.
        """

    def update(
        self, x: Float[Tensor, "batch inputs"], W: Float[Tensor, "units inputs"]
    ) -> Float[Tensor, "units inputs"]:
        """Dense ΔW, summed over the batch and not normalised; changes neither argument.

        Raises:
            InputError: shapes that do not fit, or NaN in either argument.
        """
        admit(Rule.update, locals())
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


def finite_maximum(values: Float[Tensor, "rows inputs"]) -> float:
    """max|ΔW|, or 1e-30 if that is larger.

    Raises:
        TrainingError: the change is not finite.
    """
    largest = float(values.abs().max())
    if not largest < float("inf"):
        raise TrainingError(f"the largest change is {largest}")
    return max(largest, TINY)
