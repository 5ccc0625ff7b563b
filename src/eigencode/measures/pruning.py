"""Result of pruning a locally trained layer: share of units kept, and the fit that decided it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.record import Record
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.models.local_network import convergence
from eigencode.models.pruning import Pruning, mixture, prune
from eigencode.rules.convergence import Convergence


@dataclass(frozen=True)
class Units(Record):
    """Units of a local layer, and the Gaussian mixture of log Var(W_μ) that decided which were pruned.

    Attributes:
        log_variance: log Var(W_μ) of each unit.
        component: most probable Gaussian of each unit, numbered in ascending order of the means.
        kept: True for units that were not pruned.
        converged: True for units with ‖W_μ‖_p within 0.01 of the radius.
        weight, mean, deviation: mixture weight, mean and standard deviation of each Gaussian.
        threshold: units with log Var(W_μ) above it were candidates for pruning; Inf if there were none.
    """

    log_variance: Float[Tensor, " unit"]
    component: Int[Tensor, " unit"]
    kept: Bool[Tensor, " unit"]
    converged: Bool[Tensor, " unit"]
    weight: Float[Tensor, " gaussian"]
    mean: Float[Tensor, " gaussian"]
    deviation: Float[Tensor, " gaussian"]
    threshold: float

    @property
    def n_kept(self) -> int:
        """Number of units kept."""
        return int(self.kept.sum())

    @property
    def n_pruned(self) -> int:
        """Number of units pruned, i.e. set to zero."""
        return len(self.kept) - self.n_kept

    @property
    def n_unconverged(self) -> int:
        """Number of unconverged units, kept or pruned."""
        return int((~self.converged).sum())


@dataclass(frozen=True)
class PruningMeasure(Measure):
    """Share of the units of a locally trained layer that `models.prune` keeps."""

    kind: ClassVar[str] = "pruning"
    record: ClassVar[type[Record]] = Units
    stage: ClassVar[str] = "pruned"
    joint: ClassVar[str] = " "

    def label(self) -> str:
        return "units"

    def title(self, name: str) -> str:
        return self.quantity(name, "kept")

    def names(self) -> tuple[str, ...]:
        return ("kept",)

    def measure(self, subject: Subject) -> Units:
        net = subject.network
        return units(prune(net, seed=subject.seed), convergence(net))

    def readings(self, record: Units) -> Iterator[Reading]:
        share = record.n_kept / len(record.kept)
        yield Reading("kept", share, convention=f"share of {len(record.kept)} units that pruning left")


def units(found: Pruning, state: Convergence) -> Units:
    """Build `Units` from a pruning result; refits its mixture to get the parameters and the component of each unit."""
    values = found.log_variance[:, None].numpy()
    fitted = mixture(found.log_variance, found.components, found.seed)
    order = torch.tensor(fitted.means_.ravel()).argsort()
    place = order.argsort()
    kept = torch.ones(len(values), dtype=torch.bool)
    kept[found.indices] = False
    return Units(
        log_variance=found.log_variance,
        component=place[torch.as_tensor(fitted.predict(values)).long()],
        kept=kept,
        converged=state.converged,
        weight=torch.tensor(fitted.weights_, dtype=torch.float64)[order],
        mean=torch.tensor(fitted.means_.ravel(), dtype=torch.float64)[order],
        deviation=torch.tensor(fitted.covariances_.ravel(), dtype=torch.float64)[order].sqrt(),
        threshold=found.threshold,
    )
