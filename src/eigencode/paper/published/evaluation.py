"""Accuracy evaluated in training mode, as published (D5)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.measures.accuracy import Accuracy
from eigencode.representation._modes import evaluating


def accuracy(
    net: nn.Module,
    x: Float[Tensor, "images *shape"],
    y: Int[Tensor, " images"],
    batch_size: int = 1000,
) -> Accuracy:
    """Share of correct predictions in training mode, as published (D5).

    Unlike all other measurements of this package it changes the network: BatchNorm updates its statistics on `x`.
    """
    with evaluating(net), torch.no_grad():
        net.train()
        starts = range(0, len(x), batch_size)
        found = [net(x[i : i + batch_size]).argmax(1) == y[i : i + batch_size] for i in starts]
    return Accuracy.of(torch.cat(found))
