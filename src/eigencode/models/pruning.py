"""Prune the units of a locally trained layer whose weights are still those of the random initialisation."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.models.local_network import local_layer, own_weight

M = TypeVar("M", bound=nn.Module)

VALLEY = 0.9
"""Neighbouring components count as separate if the density between them falls below this fraction of the lower peak."""


@dataclass(frozen=True)
class Pruning(Record):
    """Result of `prune`: the units of a local layer that learned nothing, and the fit that identified them.

    `indices` are the units to prune, `components` the number of Gaussians that BIC chose for log Var(W_μ),
    `bic` the criterion for 1, 2, … components, `means` their centres in ascending order, `threshold` the log
    variance above which a unit is a candidate (Inf: nothing to prune), `candidates` how many lie above it, and
    `spared` how many of those are kept because they have converged.
    """

    components: int
    threshold: float
    candidates: int
    spared: int
    seed: int
    indices: Int[Tensor, " pruned"]
    log_variance: Float[Tensor, " unit"]
    bic: Float[Tensor, " count"]
    means: Float[Tensor, " component"]

    def apply(self, net: M, at: str | None = None) -> M:
        """Return a copy of the network with the weights of the pruned units set to zero.

        `at` is the dotted name of the local layer; None: the only one.
        """
        admit(Pruning.apply, locals())
        pruned = copy.deepcopy(net)
        weight = own_weight(at or "the only one", local_layer(pruned, at))
        with torch.no_grad():
            weight[self.indices.to(weight.device)] = 0
        return pruned


def prune(net: nn.Module, max_components: int = 4, seed: int = 0, *, at: str | None = None) -> Pruning:
    """Find the units of a local layer that have not learned (weights still random); `Pruning.apply` removes them.

    A mixture of 1 to `max_components` Gaussians is fitted to log Var(W_μ); BIC chooses their number.  With more
    than one, candidates are the units above μ_noise − |μ_noise − μ_next| / 2, where μ_noise is the component of
    the largest variance and μ_next the one below it.  Neighbouring components without a valley in the fitted density
    between them (at least 10 % below the lower peak) count as one: a threshold between them would keep half of the
    untrained units.  A candidate that has converged by the criterion of the layer's rule is kept, because two kinds
    of receptive field also give two components.

    Args:
        max_components: largest mixture tried, ≥ 1.
        seed: seed of the starting points of the mixture fits.
        at: dotted name of the local layer; None for the only one.

    Source: arXiv 2405.00679, appendix A1.  Differs from the published code by BIC, by requiring a valley and by
    keeping converged units; the χ² test there can never conclude "one component", so it always prunes (D6).
    """
    admit(prune, locals())
    if max_components < 1:
        raise InputError("prune: max_components is out of range", got=max_components, wanted=">= 1")
    if not 0 <= seed < 2**32:
        raise InputError("prune: seed is out of range", got=seed, wanted="0 to 2**32 - 1")
    layer = local_layer(net, at)
    if len(layer.weight) < 2:
        raise InputError("prune: a layer of a single unit", wanted="at least two units, whose variances differ")
    log_variance, fits, bic = mixtures_of(layer.weight, max_components, seed)
    return cut(log_variance, fits[int(bic.argmin())], bic, seed, _threshold, layer.health().converged)


def cut(
    log_variance: Float[Tensor, " units"],
    best: Any,
    bic: Float[Tensor, " counts"],
    seed: int,
    threshold_of: Callable[[Tensor, Callable[[Any], Any]], float],
    converged: Bool[Tensor, " units"],
) -> Pruning:
    """Prune the units above a threshold, except converged ones.

    `threshold_of` computes the threshold from the means and the log density of the mixture `best`.
    """
    means = torch.tensor(best.means_.ravel(), dtype=torch.float64).sort().values
    threshold = threshold_of(means, best.score_samples)
    above = log_variance > threshold
    return Pruning(
        components=len(means),
        threshold=threshold,
        candidates=int(above.sum()),
        spared=int((above & converged).sum()),
        seed=seed,
        indices=(above & ~converged).nonzero().flatten(),
        log_variance=log_variance,
        bic=bic,
        means=means,
    )


def mixtures_of(weight: Float[Tensor, "units inputs"], most: int, seed: int) -> tuple[Tensor, list[Any], Tensor]:
    """Fit mixtures of 1 to `most` Gaussians to log Var(W_μ); returns (log Var(W_μ), the mixtures, the BIC of each)."""
    variance = weight.detach().double().var(1, correction=0).cpu()
    log_variance = variance.clamp_min(torch.finfo(torch.float64).tiny).log()
    fits = [mixture(log_variance, c, seed) for c in range(1, min(most, len(torch.unique(log_variance))) + 1)]
    bic = torch.tensor([float(f.bic(log_variance[:, None].numpy())) for f in fits], dtype=torch.float64)
    return log_variance, fits, bic


def mixture(values: Float[Tensor, " n"], components: int, seed: int) -> Any:
    """Fit scikit-learn's `GaussianMixture` to the values, the best of five starts."""
    from sklearn.exceptions import ConvergenceWarning as Unsettled
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unsettled)  # a fit that has not converged has a poor BIC and is not chosen
        return GaussianMixture(components, n_init=5, random_state=seed).fit(values[:, None].numpy())


def _threshold(means: Float[Tensor, " components"], log_density: Callable[[Any], Any]) -> float:
    """Midpoint of the highest pair of neighbouring means with a valley of the density between them; Inf if none."""
    for i in range(len(means) - 1, 0, -1):
        line = torch.linspace(float(means[i - 1]), float(means[i]), 65, dtype=torch.float64)
        density = torch.as_tensor(log_density(line[:, None].numpy())).exp()
        if float(density.min()) < VALLEY * float(torch.minimum(density[0], density[-1])):
            return float(means[i] + means[i - 1]) / 2
    return float("inf")
