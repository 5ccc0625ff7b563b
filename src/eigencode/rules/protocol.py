"""Base class of local learning rules: initial weights, weight change per batch, update step, convergence test."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError, TrainingError
from eigencode.base.precision import Precision, product_dtype
from eigencode.rules.convergence import Convergence

TINY = 1e-30


class Rows(NamedTuple):
    """A sparse weight change, `weight[units] += values`, and the winning unit of every sample."""

    units: Int[Tensor, " rows"]
    values: Float[Tensor, "rows inputs"]
    winners: Int[Tensor, " batch"]
    repelled: int
    """Number of samples whose winner has a negative input current h; its weights then grow away from the data."""

    def add_to(self, weight: Float[Tensor, "units inputs"], rate: float | Float[Tensor, " rows"]) -> None:
        """Add `rate` · `values` to the rows `units` of `weight`, in place; `rate` is one number, or one per row."""
        everyone = len(self.units) == len(weight)
        if everyone and torch.equal(self.units, torch.arange(len(weight), device=weight.device)):
            if isinstance(rate, Tensor):
                weight.addcmul_(self.values, rate[:, None])
            else:
                weight.add_(self.values, alpha=rate)
        elif isinstance(rate, Tensor):
            weight.index_add_(0, self.units, self.values * rate[:, None])
        else:
            weight.index_add_(0, self.units, self.values, alpha=rate)

    def merge(self, other: "Rows") -> "Rows":
        """The weight change of two parts of a batch together."""
        units, place = torch.cat([self.units, other.units]).unique(return_inverse=True)  # type: ignore[no-untyped-call]
        values = self.values.new_zeros(len(units), self.values.shape[1])
        values.index_add_(0, place[: len(self.units)], self.values)
        values.index_add_(0, place[len(self.units) :], other.values)
        winners = torch.cat([self.winners, other.winners])
        return Rows(units, values, winners, self.repelled + other.repelled)


class Rule(Admitted, ABC):
    """Base class of local learning rules; a subclass is a frozen dataclass whose fields are the settings.

    A rule computes weight changes from a weight matrix and the rows it is applied to, which the layer provides:
    flattened images, or the patches of a convolution.  The order of the samples, the step size of each epoch and
    checkpoints belong to the training loop (`training.train_local`).  Random numbers come from the caller's generator.
    """

    precision: Precision = "float32"
    """Data type of the matrix products in training, see `operand`; a rule that offers the choice makes it a field."""

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

        `derived` is `self.operand(weight)` if the caller has it already: the training loop recomputes only the rows
        that changed.
        """

    def derive(self, weight: Float[Tensor, "units inputs"]) -> Shaped[Tensor, "units inputs"]:
        """Matrix that multiplies the input, computed from `weight` row by row; the weights unless overridden."""
        return weight

    def operand(self, weight: Float[Tensor, "units inputs"]) -> Shaped[Tensor, "units inputs"]:
        """`derive(weight)`, in bfloat16 instead of float32 if `precision` and the device allow such products."""
        matrix = self.derive(weight)
        low = matrix.dtype == torch.float32 and product_dtype(self.precision, weight.device) == torch.bfloat16
        return matrix.bfloat16() if low else matrix

    def step(self, weight: Float[Tensor, "units inputs"], change: Rows, size: float) -> None:
        """Apply a change to `weight`, in place: W ← W + size · ΔW / max|ΔW|, one maximum for the whole matrix.

        `size` is the step size of the epoch, here in the units of a weight.  Only the rows that change are touched.
        A rule with another step overrides this.

        Raises:
            TrainingError: the change is not finite.
        """
        change.add_to(weight, size / finite_maximum(change.values))

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
    low, high = values.aminmax()
    largest = float(torch.maximum(-low, high))
    if not largest < float("inf"):
        raise TrainingError(f"the largest change is {largest}")
    return max(largest, TINY)
