"""Pruning as published (D6), which always finds at least two components and so always prunes."""

import torch
from torch import Tensor, nn

from eigencode.models.local_network import local_layer
from eigencode.models.pruning import Pruning, cut, mixtures_of


def prune_always(net: nn.Module, max_components: int = 4, seed: int = 0) -> Pruning:
    """Prune as published (D6): units above the midpoint of the two largest means of a mixture for log Var(W_μ).

    The published test of the number of components cannot conclude "one".  Here BIC chooses among 2 to `max_components`,
    which reproduces the effect of excluding "one", but not the test's choice among larger numbers.  No valley of the
    density is required, and converged units are pruned as well; `models.prune` has neither of these departures.
    If all units have the same variance, nothing is pruned.
    """
    log_variance, fits, bic = mixtures_of(local_layer(net).weight, max_components, seed)
    chosen = 1 + int(bic[1:].argmin()) if len(fits) > 1 else 0
    spared = torch.zeros_like(log_variance, dtype=torch.bool)
    return cut(log_variance, fits[chosen], bic, seed, _half_way, spared)


def _half_way(means: Tensor, log_density: object) -> float:
    return float(means[-1] - (means[-1] - means[-2]).abs() / 2) if len(means) > 1 else float("inf")
