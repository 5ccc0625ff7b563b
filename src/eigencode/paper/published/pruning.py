"""D6: pruning that always finds something to prune."""

import torch
from torch import Tensor, nn

from eigencode.models.local import local_layer
from eigencode.models.pruning import Pruning, cut, mixtures_of


def prune_always(net: nn.Module, max_components: int = 4, seed: int = 0) -> Pruning:
    """The units above half-way between the two widest Gaussians of log Var(W_μ), of which there are always two or more.

    The published test of the number of components cannot conclude "one".  Here BIC chooses among 2 .. `max_components`,
    so this shows what follows from leaving "one" out, not which of the larger numbers that test prefers.  Nothing is
    asked of the valley between the two, and units that have converged are pruned as well; `models.prune` repairs D6.
    A layer whose units all have one variance cannot be divided, and is left as it is.
    """
    log_variance, fits, bic = mixtures_of(local_layer(net).weight, max_components, seed)
    chosen = 1 + int(bic[1:].argmin()) if len(fits) > 1 else 0
    spared = torch.zeros_like(log_variance, dtype=torch.bool)
    return cut(log_variance, fits[chosen], bic, seed, _half_way, spared)


def _half_way(means: Tensor, log_density: object) -> float:
    return float(means[-1] - (means[-1] - means[-2]).abs() / 2) if len(means) > 1 else float("inf")
