"""Use a network for a measurement and restore its modes and gradient flags afterwards."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from torch.jit import ScriptModule
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parameter import is_lazy

from eigencode.base.errors import InputError
from eigencode.base.flush import flushing
from eigencode.representation._carried import carried

_KNOWN: ContextVar[dict[int, list[nn.Module]]] = ContextVar("_KNOWN", default={})  # noqa: B039 - never changed
"""Modules of what is in use in an outer block, and of each of them, so that an inner one need not search again."""


@runtime_checkable
class Holding(Protocol):
    """A module with tensors derived from its weights that it can cache while the weights are constant."""

    def holding(self) -> AbstractContextManager[None]: ...


class _Loan:
    """Modules in evaluation mode; if `constant`, also without parameter gradients and with derived tensors held.

    Buffers that change all the same (traced in training mode; a state between calls) are restored.
    """

    def __init__(self, constant: bool, outermost: bool) -> None:
        self.constant, self.outermost = constant, outermost
        self.taken: set[int] = set()
        self.buffers: list[tuple[nn.Module, str, torch.Tensor | None, torch.Tensor | None]] = []
        self.modes: list[tuple[nn.Module, bool]] = []
        self.flags: list[nn.Parameter] = []
        self.held = ExitStack()

    def take(self, modules: Iterable[nn.Module]) -> None:
        for module in modules:
            if id(module) in self.taken:
                continue
            self.taken.add(id(module))
            if any(t is not None and is_lazy(t) for t in (*module._parameters.values(), *module._buffers.values())):
                raise InputError(
                    "a network without its weights",
                    got=f"{type(module).__name__}, whose shape its first images decide",
                    wanted="a network that has seen images",
                    fix="net(x[:2]) once, before anything else",
                )
            self.modes.append((module, module.training))
            if module.training:
                module.training = False
            if self.constant:
                buffers = module._buffers.items() if self.outermost else ()
                self.buffers += [(module, n, b, None if b is None else b.detach().clone()) for n, b in buffers]
                for parameter in module.parameters(recurse=False):
                    if parameter.requires_grad and not parameter.is_inference():
                        self.flags.append(parameter)
                        parameter.requires_grad_(False)
                if isinstance(module, Holding) and callable(module.holding):
                    self.held.enter_context(module.holding())

    def called(self, module: nn.Module, args: object) -> None:
        """Forward hook of all modules: take one that the search has not found, before it runs."""
        if id(module) not in self.taken:
            self.take(module.modules())

    def give_back(self) -> None:
        self.held.close()
        for module, name, buffer, before in self.buffers:
            if module._buffers[name] is not buffer and not isinstance(module, ScriptModule):
                module._buffers[name] = buffer
            if buffer is not None and before is not None and not torch.equal(buffer, before):
                buffer.detach().copy_(before)
        for parameter in self.flags:
            parameter.requires_grad_(True)
        for module, mode in reversed(self.modes):  # two may share one mode, as a compiled module and its origin
            if module.training != mode:
                module.training = mode


@contextmanager
def _on_loan(things: tuple[object, ...], constant: bool) -> Iterator[None]:
    known = _KNOWN.get()
    loan = _Loan(constant, outermost=not all(id(thing) in known for thing in things))
    modules = {id(thing): known.get(id(thing)) or carried(thing) for thing in things}
    inner = {id(module): found for found in modules.values() for module in found}
    wrapped = {id(thing.function): modules[id(thing)] for thing in things if hasattr(thing, "function")}
    token = _KNOWN.set({**inner, **known, **modules, **wrapped})
    watch = any(_may_hide(thing, modules[id(thing)]) for thing in things)
    try:
        with ExitStack() as stack:
            stack.callback(loan.give_back)
            loan.take(chain.from_iterable(modules.values()))
            if watch:
                stack.callback(register_module_forward_pre_hook(loan.called).remove)
            stack.enter_context(flushing())
            yield
    finally:
        _KNOWN.reset(token)


def _may_hide(thing: object, found: list[nn.Module]) -> bool:
    """True for a function that may call modules the search has not found; compiled ones refuse to be watched."""
    compiled = any(type(m).__name__ == "OptimizedModule" for m in found)
    return not isinstance(getattr(thing, "function", thing), nn.Module) and not compiled


def evaluating(*things: object) -> AbstractContextManager[None]:
    """Evaluation mode inside the block, with subnormal numbers as zero; restores the mode of every submodule.

    Args:
        things: modules, or functions that carry modules (a bound method, a closure, a partial, ...): see `carried`.
            A module that a function calls and the search has not found is taken when it is called.

    Submodules that were in evaluation mode before, such as a frozen BatchNorm, stay in it.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    >>> _ = net[1].eval()
    >>> with evaluating(net.forward):
    ...     [m.training for m in net]
    [False, False]
    >>> [m.training for m in net]
    [True, False]
    """
    known = _KNOWN.get()
    if all(id(thing) in known and not any(getattr(m, "training", False) for m in known[id(thing)]) for thing in things):
        return nullcontext()
    return _on_loan(things, constant=False)


def borrowed(*things: object) -> AbstractContextManager[None]:
    """`evaluating` without parameter gradients: for measurements and for derivatives with respect to images.

    The weights are constant inside the block, so tensors derived from them (`Holding`) are computed once.

    >>> net = nn.Linear(2, 2)
    >>> with borrowed(net):
    ...     net.training, net.weight.requires_grad
    (False, False)
    >>> net.training, net.weight.requires_grad
    (True, True)
    """
    return _on_loan(things, constant=True)


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
    """The device of the parameters (or buffers) of a module, or of those a function carries; else `default`.

    >>> device_of(nn.Linear(2, 2)), device_of(abs)
    (device(type='cpu'), device(type='cpu'))
    """
    return next((t.device for t in _tensors(net)), torch.device(default))


def dtype_of(net: object) -> torch.dtype | None:
    """The floating-point type of all weights and buffers of a network; None if they differ, or there are none.

    >>> dtype_of(nn.Linear(2, 2).double()), dtype_of(abs)
    (torch.float64, None)
    """
    kinds = set(kinds_of(net))
    return kinds.pop() if len(kinds) == 1 else None


def kinds_of(net: object) -> Iterator[torch.dtype]:
    """The type of every floating-point weight and buffer of a network, one after the other."""
    return (t.dtype for t in _tensors(net) if t.is_floating_point())


def _tensors(net: object) -> Iterator[torch.Tensor]:
    found = _KNOWN.get().get(id(net))
    modules = net.modules() if isinstance(net, nn.Module) else carried(net) if found is None else found
    for module in modules:
        yield from (t for t in module._parameters.values() if t is not None)
        yield from (t for t in module._buffers.values() if t is not None)
