"""The training set as one tensor in memory: batches are slices of a permutation, no per-sample loader."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models.network import Network
from eigencode.representation.modes import borrowed

Parameters = str
"""Which parameters learn: "all", or the dotted name of a submodule, usually "readout"."""


@dataclass(frozen=True)
class Feed:
    """Inputs computed once, their labels, and the rest of the network that turns inputs into logits.

    `stage` says what the inputs are: "pixel" images, "unit" images after a `norm` that has no parameters, or the
    "latent" representation of a frozen encoder.
    """

    x: Tensor
    y: Tensor
    forward: Callable[[Tensor], Tensor]
    stage: str

    def __len__(self) -> int:
        return len(self.y)

    def batches(self, size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in the order of stream (seed, "order", epoch); a last batch of a single sample is dropped."""
        order = torch.randperm(len(self), generator=stream(seed, "order", epoch)).to(self.y.device)
        for i in range(0, len(self), size):
            index = order[i : i + size]
            if len(index) > 1 or size == 1 or len(self) == 1:
                yield _floats(self.x[index]), self.y[index]

    def logits(self, size: int = 5000) -> Tensor:
        """Logits of all inputs, in order, without gradient."""
        parts = [self.forward(_floats(self.x[i : i + size])) for i in range(0, len(self), size)]
        return torch.cat(parts)


def feed(net: nn.Module, images: Images, stage: str) -> Feed:
    """The images prepared up to `stage`, on the device of the network."""
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    y = images.y.to(device)
    if stage == "pixel" or not isinstance(net, Network):
        return Feed(images.pixels.to(device), y, net, "pixel")
    inputs: Callable[[Tensor], Tensor] = net.to_unit if stage == "unit" else net.representation
    with borrowed(net), torch.no_grad():
        chunks = (images[i : i + 5000].x.to(device) for i in range(0, len(images), 5000))
        rows = torch.cat([inputs(chunk).flatten(1) for chunk in chunks])
    return Feed(rows, y, net.from_unit if stage == "unit" else net.head, stage)


def _floats(x: Tensor) -> Tensor:
    return x.float().div_(255) if x.dtype == torch.uint8 else x
