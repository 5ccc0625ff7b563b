"""Borrow somebody's module for a measurement and hand it back exactly as it was."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol, runtime_checkable

from torch import nn

from eigencode.base.flush import flushing


@runtime_checkable
class Holding(Protocol):
    """A module that computes something from its weights on every call, and can keep it while they stay as they are."""

    def holding(self) -> AbstractContextManager[None]: ...


@contextmanager
def evaluating(*modules: object) -> Iterator[None]:
    """Evaluation mode inside, subnormal numbers zero; the mode of every single submodule restored outside.

    Anything that is not an `nn.Module` (a plain function) is left alone.  A network whose BatchNorm alone was
    frozen stays so.

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
    """`evaluating`, and no gradient for any parameter inside: for derivatives with respect to images.

    Nobody changes the weights of a borrowed network, so what a module derives from them (`Holding`) is computed once.

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
