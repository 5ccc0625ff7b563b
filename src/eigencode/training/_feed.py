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
from eigencode.representation._modes import borrowed, device_of, hooked
from eigencode.representation._run import children_in_turn
from eigencode.training._kept import kept

KEPT_BYTES = 8 * 2**30
"""Activations of the whole training set are computed once and kept if they are at most this large.

It is a constant, so that results do not depend on the memory of the machine."""

CACHED_NUMBERS, DEVICE_NUMBERS = 2**21, 2**27
"""Largest number of activations of one layer computed at once, on a CPU, whose cache they fit, and on other devices."""


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
    if not isinstance(net, Stack) or not _in_turn(net):
        return Feed(images.pixels.to(device), y, net, None)
    with borrowed(net), torch.no_grad():
        one = images[:1].x.to(device, copy=True)
        small = (n for n in reversed(fixed) if n == "norm" or fits(net.run(one, until=n), len(images)))
        if (last := next(small, None)) is None:
            return Feed(images.pixels.to(device), y, net, None)

        def compute() -> Tensor:
            return computed(net, lambda chunk: net.run(chunk, until=last), images)

        x = kept(compute, "outputs", last, images.sha256, net=net) if keep else compute()
    return Feed(x, y, lambda rows: net.run(rows, after=last), last)


def fixed_layers(net: nn.Module, part: nn.Module, learn: Collection[nn.Parameter]) -> list[str]:
    """Names of the leading layers of a stack that do not change in training: not in the trained part, or `UnitNorm`."""
    found: list[str] = []
    trained, chosen = set(part.modules()), {id(p) for p in learn}
    for name, layer in net.named_children() if _in_turn(net) else ():
        inside = not trained.isdisjoint(layer.modules()) or any(id(p) in chosen for p in layer.parameters())
        if inside and not isinstance(layer, UnitNorm):
            break
        found.append(name)
    return found


def _in_turn(net: nn.Module) -> bool:
    """True for a stack that is no more than its layers in turn: no hooks, no `forward` or `run` of its own."""
    return isinstance(net, Stack) and type(net).run is Stack.run and children_in_turn(net) is not None


def computed(net: nn.Module, run: Callable[[Tensor], Tensor], images: Images) -> Tensor:
    """Apply `run`, a part of the network, to all images and return the outputs as one tensor."""
    found, i = None, 0
    for part in outputs(net, run, images):
        if found is None:
            found = part.new_empty(len(images), *part.shape[1:])
        found[i : i + len(part)] = part
        i += len(part)
    assert found is not None
    return found


def outputs(net: nn.Module, run: Callable[[Tensor], Tensor], images: Images) -> Iterator[Tensor]:
    """Yield the outputs of `run`, a part of the network, chunk by chunk.

    A chunk has at most 1000 images, and as few as keep the outputs of every module of the network in the cache: of a
    convolution, several times as fast as with all of them.
    """
    device = device_of(net)
    sizes = [1]

    def note(module: nn.Module, args: object, out: object) -> None:
        sizes.append(out.numel() if isinstance(out, Tensor) else 1)

    with hooked(net.modules(), note):
        run(images[:1].x.to(device, copy=True))
    numbers = CACHED_NUMBERS if device.type == "cpu" else DEVICE_NUMBERS
    size = max(1, min(1000, numbers // max(sizes)))
    for i in range(0, len(images), size):
        yield run(images[i : i + size].x.to(device, copy=True))


def fits(one: Tensor, images: int) -> bool:
    """True if `images` activations, each of the size of `one`, are at most `KEPT_BYTES`."""
    return math.prod(one.shape[1:]) * one.element_size() * images <= KEPT_BYTES
