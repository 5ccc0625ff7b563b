"""D5: accuracy in training mode."""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.paper.published.fixes import fixes
from eigencode.representation.modes import evaluating


def accuracy(
    net: nn.Module,
    x: Float[Tensor, "images *shape"],
    y: Int[Tensor, " images"],
    batch_size: int = 1000,
    fix: Iterable[str] = (),
) -> float:
    """Share of correct predictions; as published (D5) in training mode, so that every BatchNorm learns from `x`.

    Unlike any other measurement of this package it changes the running statistics of the network: that is D5.
    `fix={"D5"}` evaluates in evaluation mode and changes nothing.
    """
    published = "D5" not in fixes(fix, ("D5",))
    hits = 0
    with evaluating(net), torch.no_grad():
        net.train(published)
        for first in range(0, len(x), batch_size):
            hits += int((net(x[first : first + batch_size]).argmax(1) == y[first : first + batch_size]).sum())
    return hits / len(x)
