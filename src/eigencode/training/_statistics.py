"""Statistics of the training images for BatchNorm layers that stay fixed while the layers behind them learn."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def unsettled(module: nn.Module) -> bool:
    """True for a BatchNorm without affine part that has seen no data: its statistics are still 0 and 1.

    One with an affine part is a layer that learns; while it is fixed, it stays as it is.
    """
    if not isinstance(module, _BatchNorm) or module.affine or module.running_mean is None or module.running_var is None:
        return False
    seen = module.num_batches_tracked is not None and bool(module.num_batches_tracked > 0)
    return not seen and bool((module.running_mean == 0).all()) and bool((module.running_var == 1).all())


def statistics(inputs: Iterable[Tensor]) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"]]:
    """Mean and variance Σ (x − mean)² / n of every channel over images and positions, in float64.

    Args:
        inputs: the inputs of a layer, batch by batch, with the channels in dimension 1.
    """
    mean, squares, n = torch.zeros(()), torch.zeros(()), 0
    for batch in inputs:
        x = batch.double().movedim(1, -1).flatten(0, -2)
        own, m = x.mean(0), len(x)
        shift = own - mean.to(own)  # Chan, Golub and LeVeque, Am. Stat. 37 (1983), eq. 2.1
        squares = squares.to(own) + (x - own).square().sum(0) + shift.square() * (n * m / (n + m))
        mean, n = mean.to(own) + shift * (m / (n + m)), n + m
    return mean, squares / n


def settle(norm: nn.Module, mean: Float[Tensor, " channels"], variance: Float[Tensor, " channels"]) -> None:
    """Set the running mean and variance of a BatchNorm, as if it had seen them in one batch."""
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.fill_(1)
