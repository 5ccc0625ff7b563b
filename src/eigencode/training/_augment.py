"""Protocol of batch augmentations in supervised training, such as adversarial training."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from eigencode.base.types import Space


@runtime_checkable
class Augmentation(Protocol):
    """Replace each training batch by another of the same shape, e.g. `Adversarial`.

    `space` is the space of the batches: `"pixel"`, or `"unit"` behind the `norm` layer of a network of this package.
    """

    @property
    def space(self) -> Space: ...

    def worst(
        self, net: nn.Module, logits: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the batch to train on; does not change the network."""
        ...
