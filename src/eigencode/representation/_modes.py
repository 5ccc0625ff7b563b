"""Use a module for a measurement and restore its modes and gradient flags afterwards."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from eigencode.base.flush import flushing


@runtime_checkable
class Holding(Protocol):
    """A module with tensors derived from its weights that it can cache while the weights are constant."""

    def holding(self) -> AbstractContextManager[None]: ...


@contextmanager
def evaluating(*modules: object) -> Iterator[None]:
    """Evaluation mode inside the block, with subnormal numbers as zero; restores the mode of every submodule.

    Arguments other than an `nn.Module` (a plain function) are ignored.  Submodules that were in evaluation mode
    before, such as a frozen BatchNorm, stay in it.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    >>> _ = net[1].eval()
    >>> with evaluating(net):
    ...     [m.training for m in net]
    [False, False]
    >>> [m.training for m in net]
    [True, False]
    """
    modes = [(m, m.training) for net in modules if isinstance(net, nn.Module) for m in net.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with flushing():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def borrowed(*modules: object) -> Iterator[None]:
    """`evaluating` without parameter gradients: for measurements and for derivatives with respect to images.

    The weights are constant inside the block, so tensors derived from them (`Holding`) are computed once.

    >>> net = nn.Linear(2, 2)
    >>> with borrowed(net):
    ...     net.training, net.weight.requires_grad
    (False, False)
    >>> net.training, net.weight.requires_grad
    (True, True)
    """
    flags = [(p, p.requires_grad) for net in modules if isinstance(net, nn.Module) for p in net.parameters()]
    with evaluating(*modules), ExitStack() as held:
        try:
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            for net in modules:
                for module in net.modules() if isinstance(net, nn.Module) else ():
                    if isinstance(module, Holding):
                        held.enter_context(module.holding())
            yield
        finally:
            for parameter, flag in flags:
                parameter.requires_grad_(flag)


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Callable[..., Any], before: bool = False) -> Iterator[None]:
    """Call `hook` after (or before) every forward pass of these modules inside the block, as torch calls hooks."""
    handles = [m.register_forward_pre_hook(hook) if before else m.register_forward_hook(hook) for m in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def device_of(net: object, default: torch.device | str = "cpu") -> torch.device:
    """The device of the parameters of a module, or of its buffers; `default` for anything without either.

    >>> device_of(nn.Linear(2, 2)), device_of(abs)
    (device(type='cpu'), device(type='cpu'))
    """
    tensors = chain(net.parameters(), net.buffers()) if isinstance(net, nn.Module) else ()
    return next((t.device for t in tensors), torch.device(default))
