"""Record the inputs of a local layer inside any module, and the order in which its local layers run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images, floats
from eigencode.models.local import LocalLayer, local_layer, local_layers
from eigencode.representation._foreign import entering
from eigencode.representation._modes import borrowed, device_of, hooked
from eigencode.training._feed import computed, fits
from eigencode.training._kept import kept


@contextmanager
def inputs_of(net: nn.Module, layer: LocalLayer, images: Images) -> Iterator[Callable[[Tensor], Tensor]]:
    """Yield a function from image indices to the inputs of `layer`, the rest of the network in evaluation mode.

    The inputs of all images are computed once if they fit into memory, otherwise batch by batch.
    """
    device = device_of(net)
    with borrowed(net), torch.no_grad():
        input_of = _input_of(net, layer)
        if fits(input_of(images[:1].x.to(device)), len(images)):
            name = next(n for n, module in net.named_modules() if module is layer)
            inputs = kept(
                lambda: computed(input_of, images, device), "inputs", name, images.sha256, net=net, without=name
            )
        else:
            with layer.changing():
                yield lambda index: input_of(floats(images.pixels[index].to(device)))
            return
    yield lambda index: inputs[index.to(device)]


class _LayerReached(Exception):
    """Stops the forward pass at a layer; `value` is the input of that layer."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


def _input_of(net: nn.Module, layer: LocalLayer) -> Callable[[Tensor], Tensor]:
    """Return a function from images to the input of the layer's first call; the forward pass stops there."""

    def stop(module: nn.Module, args: tuple[Any, ...]) -> None:
        raise _LayerReached(args[0])

    def run(x: Tensor) -> Tensor:
        try:
            with hooked([layer], stop, before=True):
                net(entering(net, x))
        except _LayerReached as reached:
            return reached.value
        raise InputError(
            f"{type(net).__name__}: the local layer is never called", wanted="a layer that the images reach"
        )

    return run


def in_order(net: nn.Module, images: Images) -> list[str]:
    """Names of the local layers in order of execution; those that are never called are left out."""
    names = {layer: name for name, layer in local_layers(net).items()}
    if len(names) < 2:
        local_layer(net)
        return list(names.values())
    called: list[str] = []
    with borrowed(net), torch.no_grad(), hooked(names, lambda layer, _: called.append(names[layer]), before=True):
        net(entering(net, images[:1].x.to(device_of(net))))
    return list(dict.fromkeys(called))
