"""The units of a locally trained layer that pruning keeps and takes away."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.record import Record
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.models.local import convergence
from eigencode.models.pruning import Pruning, mixture, prune
from eigencode.rules.convergence import Convergence


@dataclass(frozen=True)
class Units(Record):
    """The units of a local layer, and the mixture of Gaussians of log Var(W_μ) by which it was pruned.

    Attributes:
        component: number of the Gaussian that makes it most probable, in ascending order of their means.
        converged: ‖W_μ‖_p within 0.01 of the radius.
        weight, mean, deviation: of each Gaussian: its share of the units, centre and standard deviation.
        threshold: units above it were candidates for pruning; Inf if none was.
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
        """How many units pruning left."""
        return int(self.kept.sum())

    @property
    def n_pruned(self) -> int:
        """How many it set to zero."""
        return len(self.kept) - self.n_kept

    @property
    def n_unconverged(self) -> int:
        """How many units, kept or not, have a norm away from the radius."""
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
    """Fit the mixture that `found` chose once more, for what `Pruning` does not keep: whose each unit is."""
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
