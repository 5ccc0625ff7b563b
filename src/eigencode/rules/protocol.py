"""What a local learning rule is: an initial weight matrix and a change of it per batch, nothing else."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from eigencode.base.errors import InputError


class Rows(NamedTuple):
    """A change of some rows of a weight matrix: `weight[units] += values`, and who won for every sample."""

    units: Int[Tensor, " rows"]
    values: Float[Tensor, "rows inputs"]
    winners: Int[Tensor, " batch"]
    repelled: int
    """Samples whose winner has a negative input current and is therefore pushed away from the data."""


class Rule(ABC):
    """A local rule.  Settings are the fields of a frozen dataclass; randomness comes from the caller's generator.

    The rule returns the raw sum over the batch.  Step size, learning-rate decay and the normalisation of the step
    belong to the loop (`training.train_local`); `step_normalisation` says which one the rule was published with.
    """

    step_normalisation: ClassVar[Literal["max", "none"]] = "max"

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
