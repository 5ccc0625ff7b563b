"""D5: accuracy in training mode."""

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
    """Share of correct predictions; as published (D5) in training mode, so that every BatchNorm learns from `x`.

    Unlike any other measurement of this package it changes the running statistics of the network: that is D5.
    """
    hits = 0
    with evaluating(net), torch.no_grad():
        net.train()
        for first in range(0, len(x), batch_size):
            hits += int((net(x[first : first + batch_size]).argmax(1) == y[first : first + batch_size]).sum())
    return hits / len(x)
