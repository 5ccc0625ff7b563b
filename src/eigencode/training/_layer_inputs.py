"""Record the inputs of a layer inside any module; the order in which its local layers run; BatchNorm before them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images, floats
from eigencode.models.layers import SampledBatchNorm2d
from eigencode.models.local import LocalLayer
from eigencode.models.local_network import local_layer, local_layers
from eigencode.representation._foreign import entering
from eigencode.representation._modes import borrowed, device_of, evaluating, hooked
from eigencode.training._feed import computed, fits, outputs
from eigencode.training._kept import kept
from eigencode.training._statistics import settle, statistics, unsettled

BATCH = 100
"""Images at a time for the statistics of a BatchNorm from all its inputs."""


@contextmanager
def inputs_of(
    net: nn.Module,
    layers: Sequence[LocalLayer],
    images: Images,
    norms: Sequence[str] = (),
    known: Tensor | None = None,
) -> Iterator[Callable[[Tensor], list[Tensor]]]:
    """Yield a function from image indices to the inputs of each layer, the rest of the network in evaluation mode.

    The inputs of one layer for all images are computed once if they fit into memory, otherwise batch by batch; those of
    several layers, which change while they learn, or behind BatchNorm layers `norms`, which are left in training mode,
    in one forward pass per batch.  `known`: those of a single layer, where `settle_all` has computed them.
    """
    device = device_of(net)
    if len(layers) > 1 or norms:
        with evaluating(net), torch.no_grad():
            for name in norms:
                net.get_submodule(name).training = True
            yield lambda index: _together(net, layers, floats(images.pixels[index].to(device)))
        return
    (layer,) = layers
    with borrowed(net), torch.no_grad():
        run = input_of(net, layer)
        if fits(run(images[:1].x.to(device)), len(images)):
            name = next(n for n, module in net.named_modules() if module is layer)

            def compute() -> Tensor:
                return computed(net, run, images) if known is None else known

            inputs = kept(compute, "inputs", name, images.sha256, net=net, without=name)
        else:
            with layer.changing():
                yield lambda index: [run(floats(images.pixels[index].to(device)))]
            return
    yield lambda index: [inputs[index.to(device)]]


def _together(net: nn.Module, layers: Sequence[LocalLayer], x: Tensor) -> list[Tensor]:
    """The input of the first call of each layer, in one forward pass that stops at the last of them."""
    found: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        if module not in found:
            found[module] = args[0].clone()  # the network may go on to change its input in place
        if len(found) == len(layers):
            raise _LayerReached(args[0])

    with contextlib.suppress(_LayerReached), hooked(layers, note, before=True):
        net(entering(net, x))
    return [found[layer] for layer in layers]


class _LayerReached(Exception):
    """Stops the forward pass at a layer; `value` is the input of that layer."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


def input_of(net: nn.Module, layer: nn.Module) -> Callable[[Tensor], Tensor]:
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
            f"{type(net).__name__}: a {type(layer).__name__} is never called", wanted="a layer that the images reach"
        )

    return run


def local_calls(net: nn.Module, images: Images) -> list[str]:
    """Names of the local layers in order of their calls in one forward pass, as often as each is called."""
    names: dict[nn.Module, str] = {layer: name for name, layer in local_layers(net).items()}
    if not names:
        local_layer(net)
    return _calls(net, names, images)


def without_statistics(net: nn.Module, images: Images, before: str | None = None) -> list[str]:
    """Names of the BatchNorm layers that have seen no data, in order of execution; only those before `before`."""
    found = {module: name for name, module in net.named_modules() if unsettled(module)}
    last = {} if before is None else {net.get_submodule(before): before}
    called = _called(net, {**found, **last}, images) if found else []
    return called[: called.index(before)] if before in called else called


def sampled_before(net: nn.Module, images: Images, layers: Sequence[str]) -> dict[str, list[str]]:
    """Names of the `SampledBatchNorm2d` between each of these layers and the local layer before it."""
    sampled = {module: name for name, module in net.named_modules() if isinstance(module, SampledBatchNorm2d)}
    found: dict[str, list[str]] = {name: [] for name in layers}
    since: list[str] = []
    for name in _called(net, sampled | {m: n for n, m in local_layers(net).items()}, images) if sampled else ():
        if name in sampled.values():
            since.append(name)
        else:
            found, since = ({**found, name: since} if name in found else found), []
    return found


def settle_all(net: nn.Module, images: Images, names: Sequence[str], layer: nn.Module | None = None) -> Tensor | None:
    """Give these BatchNorm layers, in order of execution, the statistics of all images at their inputs.

    Returns:
        The inputs of `layer` for all images, if they are the outputs of the last of these BatchNorm layers and fit into
        memory: the layers before it then need no second pass.
    """
    device, known = device_of(net), None
    for name in names:
        with borrowed(net), torch.no_grad():
            norm = net.get_submodule(name)
            run = input_of(net, norm)
            ahead = layer is not None and name == names[-1] and _follows(net, norm, layer, images)
            if ahead and fits(run(images[:1].x.to(device)), len(images)):
                known = computed(net, run, images)
            mean, variance = statistics(outputs(net, run, images) if known is None else torch.split(known, BATCH))
        settle(norm, mean, variance)
        if known is not None:
            with borrowed(net), torch.no_grad():
                for x in torch.split(known, BATCH):
                    x.copy_(norm(x))
    return known


def _follows(net: nn.Module, norm: nn.Module, layer: nn.Module, images: Images) -> bool:
    """True if the output of `norm`, unchanged, is the input of the first call of `layer`."""
    found: list[tuple[Tensor, int]] = []

    def note(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        found.append((out, out._version))

    with hooked([norm], note):
        x = input_of(net, layer)(images[:1].x.to(device_of(net), copy=True))
    return len(found) == 1 and x is found[0][0] and x._version == found[0][1]


def _called(net: nn.Module, names: Mapping[nn.Module, str], images: Images) -> list[str]:
    """The names of these modules in the order of their first calls."""
    return list(dict.fromkeys(_calls(net, names, images)))


def _calls(net: nn.Module, names: Mapping[nn.Module, str], images: Images) -> list[str]:
    """The names of these modules in the order of their calls, as often as each is called."""
    calls: list[str] = []
    with borrowed(net), torch.no_grad(), hooked(names, lambda layer, _: calls.append(names[layer]), before=True):
        net(entering(net, images[:1].x.to(device_of(net))))
    return calls
