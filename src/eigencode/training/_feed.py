"""Keep the training set in memory as one tensor, behind the layers that do not change, and serve shuffled batches."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eigencode.base.seeding import stream
from eigencode.base.types import Images, floats
from eigencode.models.layers import UnitNorm
from eigencode.models.stack import Stack
from eigencode.representation._modes import borrowed, device_of
from eigencode.training._kept import kept

KEPT_BYTES = 8 * 2**30
"""Activations of the whole training set are computed once and kept if they are at most this large.

It is a constant, so that results do not depend on the memory of the machine."""

CHUNK_NUMBERS = 2**27
"""Largest number of activations computed at once; a chunk has at most 1000 images."""


@dataclass(frozen=True)
class Feed:
    """Precomputed inputs, their labels, and the remaining layers of the network from inputs to logits.

    `after` is the name of the last precomputed layer; None: the inputs are the images.
    """

    x: Tensor
    y: Tensor
    forward: Callable[[Tensor], Tensor]
    after: str | None

    def __len__(self) -> int:
        return len(self.y)

    def batches(self, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of one epoch from the `first` on, shuffled with stream (seed, "order", epoch)."""
        order = torch.randperm(len(self), generator=stream(seed, "order", epoch)).to(self.y.device)
        for i in starts(len(self), size)[first:]:
            index = order[i : i + size]
            yield floats(self.x[index]), self.y[index]

    def logits(self, size: int = 1000) -> Tensor:
        """Logits of all inputs, in order, without gradient."""
        parts = [self.forward(floats(self.x[i : i + size].clone())) for i in range(0, len(self), size)]
        return torch.cat(parts)


def starts(images: int, size: int) -> list[int]:
    """Where the batches of an epoch start in the order of the images; a last batch of one image is dropped."""
    return [i for i in range(0, images, size) if images - i > 1 or size == 1 or images == 1]


def feed(net: nn.Module, images: Images, fixed: Sequence[str], keep: bool = False) -> Feed:
    """Build a `Feed`: outputs of the last of the `fixed` layers that fit into memory, on the network's device.

    `keep`: also for the next part of the same training, see `_kept`.
    """
    device = device_of(net)
    y = images.y.to(device)
    if not isinstance(net, Stack):
        return Feed(images.pixels.to(device), y, net, None)
    with borrowed(net), torch.no_grad():
        one = images[:1].x.to(device, copy=True)
        small = (n for n in reversed(fixed) if n == "norm" or fits(net.run(one, until=n), len(images)))
        if (last := next(small, None)) is None:
            return Feed(images.pixels.to(device), y, net, None)

        def compute() -> Tensor:
            return computed(lambda chunk: net.run(chunk, until=last), images, device)

        x = kept(compute, "outputs", last, images.sha256, net=net) if keep else compute()
    return Feed(x, y, lambda rows: net.run(rows, after=last), last)


def fixed_layers(net: nn.Module, part: nn.Module, learn: Collection[nn.Parameter]) -> list[str]:
    """Names of the leading layers of a stack that do not change in training: not in the trained part, or `UnitNorm`."""
    found: list[str] = []
    trained, chosen = set(part.modules()), {id(p) for p in learn}
    for name, layer in net.named_children() if isinstance(net, Stack) else ():
        inside = not trained.isdisjoint(layer.modules()) or any(id(p) in chosen for p in layer.parameters())
        if inside and not isinstance(layer, UnitNorm):
            break
        found.append(name)
    return found


def computed(run: Callable[[Tensor], Tensor], images: Images, device: torch.device) -> Tensor:
    """Apply `run` to all images chunk by chunk and return the outputs as one tensor."""
    one = run(images[:1].x.to(device, copy=True))
    size = max(1, min(1000, CHUNK_NUMBERS // max(1, one.numel())))
    found = one.new_empty(len(images), *one.shape[1:])
    for i in range(0, len(images), size):
        found[i : i + size] = run(images[i : i + size].x.to(device, copy=True))
    return found


def fits(one: Tensor, images: int) -> bool:
    """True if `images` activations, each of the size of `one`, are at most `KEPT_BYTES`."""
    return math.prod(one.shape[1:]) * one.element_size() * images <= KEPT_BYTES
