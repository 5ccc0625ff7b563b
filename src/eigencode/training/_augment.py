"""What a training loop may do to a batch before it learns from it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from eigencode.base.types import Space


@runtime_checkable
class Augmentation(Protocol):
    """Replaces a batch by another of the same shape; `Adversarial` is one.

    `space` says what it works on: `"pixel"` images, or `"unit"` points of a network of this package.
    """

    @property
    def space(self) -> Space: ...

    def worst(
        self, net: nn.Module, logits: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The batch to learn from; the network is left as it was."""
        ...
