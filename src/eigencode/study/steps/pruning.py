"""What pruning saw: every unit with its log variance, the Gaussian it belongs to, and whether it was kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.record import Record
from eigencode.models.pruning import Pruning, mixture
from eigencode.rules.convergence import Convergence
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.networks import LocallyTrained, NetworkStep


@dataclass(frozen=True)
class Units(Record):
    """The units of a local layer, and the mixture of Gaussians of log Var(W_μ) by which it was pruned.

    Attributes:
        log_variance: log Var(W_μ) of each unit.
        component: number of the Gaussian that makes it most probable, in ascending order of their means.
        kept: not set to zero.
        converged: ‖W_μ‖_p within 0.01 of the radius.
        weight, mean, deviation: of each Gaussian: its share of the units, centre and standard deviation.
        threshold: units above it were candidates for pruning; Inf if none was.
    """

    dims: ClassVar[dict[str, tuple[str, ...]]] = {
        **dict.fromkeys(("log_variance", "component", "kept", "converged"), ("unit",)),
        **dict.fromkeys(("weight", "mean", "deviation"), ("gaussian",)),
    }

    log_variance: Float[Tensor, " units"]
    component: Int[Tensor, " units"]
    kept: Bool[Tensor, " units"]
    converged: Bool[Tensor, " units"]
    weight: Float[Tensor, " gaussians"]
    mean: Float[Tensor, " gaussians"]
    deviation: Float[Tensor, " gaussians"]
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
class UnitsOf(Step):
    """The `Units` behind a pruned network."""

    pruned: NetworkStep
    local: LocallyTrained
    name: ClassVar[str] = "units"

    def run(self, folder: Path, inputs: Inputs) -> None:
        found = Pruning.load(inputs.folder(self.pruned) / "pruning")
        units(found, Convergence.load(inputs.folder(self.local) / "convergence")).save(folder)


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
