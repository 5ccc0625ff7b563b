"""Find the modules that a function carries: in its closure, globals, defaults, attributes and containers."""

import functools
import sys
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit._recursive import wrap_cpp_module

LEAVES = (str, bytes, int, float, complex, type(None), range, Tensor, np.ndarray, torch.Generator, torch.device)
"""Kinds of values that carry no module."""

BASE = frozenset(vars(nn.Module()))
"""Attributes of every module."""

HOOKS = ("_forward_pre_hooks", "_forward_hooks")

CONTAINERS = (list, tuple, dict, set, frozenset, deque, OrderedDict)

LIBRARIES = frozenset(sys.stdlib_module_names) | frozenset(
    [
        "builtins",
        "torch",
        "numpy",
        "scipy",
        "sklearn",
        "pandas",
        "xarray",
        "jax",
        "matplotlib",
        "eigencode",
        "jaxtyping",
    ]
)
"""Packages whose functions and classes are not searched; their instances are."""

ELEMENTS, THINGS = 1000, 20_000
"""Elements of one container, and things in all, that are looked at."""


def carried(*things: object) -> list[nn.Module]:
    """Every module that `things` hold or refer to: modules, functions, or anything else.

    Searched are attributes and containers, bound methods, partials, closures, defaults, and the globals that the code
    of a function names.  Nothing is called, and no property is read.

    >>> net = nn.Linear(2, 2)
    >>> [type(m).__name__ for m in carried(functools.partial(net.forward))]
    ['Linear']
    """
    found: list[nn.Module] = []
    seen: set[int] = set()
    waiting: deque[object] = deque(things)
    while waiting and len(seen) < THINGS:
        thing = waiting.popleft()
        if id(thing) in seen or isinstance(thing, LEAVES):
            continue
        seen.add(id(thing))
        if isinstance(thing, nn.Module):
            found.append(thing)
            waiting.extend(_of_module(thing))
        else:
            waiting.extend(_parts(thing))
    return found


def _parts(thing: object) -> Iterable[object]:
    """Everything that a thing refers to directly."""
    if type(thing) in CONTAINERS:
        return islice(thing.values() if isinstance(thing, dict) else thing, ELEMENTS)  # type: ignore[call-overload,no-any-return]
    if isinstance(thing, types.FunctionType):
        return () if _of_library(thing) else _of_function(thing)
    if isinstance(thing, type):
        return () if _of_library(thing) else vars(thing).values()
    if isinstance(thing, types.ModuleType):
        return ()
    if isinstance(thing, torch.ScriptMethod):  # type: ignore[attr-defined]
        return (wrap_cpp_module(thing.owner),)  # type: ignore[no-untyped-call]
    if isinstance(thing, types.MethodType):
        return thing.__self__, thing.__func__
    if isinstance(thing, staticmethod | classmethod):
        return (thing.__func__,)
    if isinstance(thing, property):
        return thing.fget, thing.fset
    if isinstance(thing, functools.partial):
        return thing.func, *thing.args, *thing.keywords.values(), *vars(thing).values()
    if isinstance(thing, weakref.ref):
        return (thing(),)
    return _of_object(thing)


def _of_module(module: nn.Module) -> Iterator[object]:
    """Children, hooks, attributes that are not registered (a module in a list), and the class."""
    yield from module.children() if isinstance(module, torch.jit.ScriptModule) else module._modules.values()
    attributes = vars(module)
    for name in HOOKS:
        yield from attributes.get(name, {}).values()
    if len(attributes) > len(BASE) - 1:
        yield from (v for name, v in attributes.items() if name not in BASE and type(v) not in LEAVES)
    if not _of_library(type(module)):
        yield from type(module).__mro__


def _of_object(thing: object) -> Iterator[object]:
    """Attributes and elements of an object, and its class, whose methods may name globals."""
    kind = type(thing)
    if not _of_library(kind):
        yield from kind.__mro__
    yield getattr(thing, "__self__", None)  # of a built-in method
    try:
        attributes = vars(thing)
    except TypeError:
        attributes = {}
    yield from attributes.values()
    for name in [n for base in kind.__mro__ for n in _slots(base)]:
        yield getattr(thing, name, None)
    if isinstance(thing, Mapping):
        yield from islice(thing.values(), ELEMENTS)
    elif isinstance(thing, CONTAINERS):
        yield from islice(thing, ELEMENTS)


def _slots(kind: type) -> Iterable[str]:
    slots = () if _of_library(kind) else vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _of_function(function: types.FunctionType) -> Iterator[object]:
    """Closure, defaults, attributes, and the globals (and attributes of imported modules) that its code names."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    names = set(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name, sys.modules.get(name))
        if not isinstance(value, types.ModuleType):
            yield value
        elif value.__name__.partition(".")[0] not in LIBRARIES:
            yield from (vars(value).get(inner) for inner in names)


def _names(code: types.CodeType) -> Iterator[str]:
    """Names in the code of a function and of the functions defined inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _of_library(thing: object) -> bool:
    return str(getattr(thing, "__module__", "") or "").partition(".")[0] in LIBRARIES
