"""Accuracy evaluated in training mode, as published (D5)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.representation._modes import evaluating


def accuracy(
    net: nn.Module,
    x: Float[Tensor, "images *shape"],
    y: Int[Tensor, " images"],
    batch_size: int = 1000,
) -> float:
    """Share of correct predictions in training mode, as published (D5).

    Unlike all other measurements of this package it changes the network: BatchNorm updates its statistics on `x`.
    """
    hits = 0
    with evaluating(net), torch.no_grad():
        net.train()
        for first in range(0, len(x), batch_size):
            hits += int((net(x[first : first + batch_size]).argmax(1) == y[first : first + batch_size]).sum())
    return hits / len(x)
