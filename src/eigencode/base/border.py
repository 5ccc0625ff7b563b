"""One check of what comes in from outside: values that are not of the type a public function or class declares."""

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from eigencode.base.arrays import tensor
from eigencode.base.errors import InputError

LARGEST = 3.4e38
"""Of finite settings: the largest number in single precision."""


def admit(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse arguments that are not of the type the function declares; `given` is `locals()` in its first line.

    Tensors must be dense, with real numbers of the declared kind on a device; their shape is the function's business.

    >>> def halve(x: int) -> float:
    ...     admit(halve, locals())
    ...     return x / 2
    >>> halve("7")
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: halve: x is of the wrong type
      got:    '7', a str
      wanted: an integer below 2**63
    """
    for name, hint in _declared(inspect.unwrap(function)):
        if name in given and not _fits(given[name], hint):
            raise _refused(getattr(function, "__qualname__", str(function)), name, given[name], hint)
    for name, value in given.items():
        if isinstance(value, Tensor):
            tensor(value, name, empty=True)


class Admitted:
    """Base of classes whose settings are checked before they are made, as `admit` does for functions."""

    def __new__(cls, *args: Any, **settings: Any) -> Any:
        made = super().__new__(cls)
        if args or settings:
            try:
                bound = inspect.signature(cls.__init__).bind(made, *args, **settings).arguments
            except TypeError:
                return made  # the wrong settings altogether: Python says so
            for name, hint in _declared(inspect.unwrap(cls.__init__)):
                if name in bound and not _fits(bound[name], hint):
                    raise _refused(cls.__name__, name, bound[name], hint)
            for name, value in bound.items():
                if isinstance(value, Tensor):
                    tensor(value, name, empty=True)
        return made


def _refused(who: str, name: str, value: Any, hint: Any) -> InputError:
    kind = type(value).__name__
    seen = f"{kind} {tuple(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else f"{value!r:.60}, a {kind}"
    return InputError(f"{who}: {name} is of the wrong type", got=seen, wanted=_told(hint))


_KINDS = {"Float": "floats", "Int": "integers", "UInt8": "bytes", "Bool": "truth values"}


@cache
def _declared(function: Callable[..., Any]) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(function)
    return tuple((name, hint) for name, hint in hints.items() if name != "return")


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(isinstance(value, type(part)) for part in parts)  # which of them, the function says itself
    if origin is typing.Annotated:
        return _fits(value, parts[0])
    if hint is None or hint is type(None):
        return value is None
    if hasattr(hint, "dtypes"):  # of jaxtyping
        return isinstance(value, Tensor) and _of_kind(value, hint)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) < 2**63
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool) and _of_single(value)
    if origin is not None:
        return _is_container(value, origin, parts)
    try:
        return not inspect.isclass(hint) or isinstance(value, hint)
    except TypeError:  # a protocol that cannot be asked
        return True


def _of_single(value: Any) -> bool:
    """A number that fits single precision; integers also 64 bits."""
    whole = isinstance(value, Integral)
    return abs(int(value)) < 2**63 if whole else not LARGEST < abs(float(value)) < math.inf


def _is_container(value: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    if origin is Callable or not inspect.isclass(origin):
        return callable(value)
    if not isinstance(value, origin) or (isinstance(value, str | bytes) and issubclass(origin, Sequence | Iterable)):
        return False
    if isinstance(value, Mapping) and len(parts) == 2:
        return all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    if isinstance(value, tuple) and issubclass(origin, tuple) and Ellipsis not in parts:
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if isinstance(value, list | tuple) and parts and typing.get_origin(parts[0]) is None:
        return all(_fits(v, parts[0]) for v in value)  # pairs and the like are told by the function, which says more
    return True


def _of_kind(x: Tensor, hint: Any) -> bool:
    kind = str(x.dtype).removeprefix("torch.")
    if isinstance(hint.dtypes, list | tuple) and not any(re.fullmatch(k, kind) for k in hint.dtypes):
        return False
    return x.ndim > 0 or not str(getattr(hint, "dim_str", "")).split()  # how many axes, the function says itself


def _told(hint: Any) -> str:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_told(part) for part in parts))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, parts))
    if origin is typing.Annotated:
        return _told(parts[0])
    if hint is type(None):
        return "None"
    if hint is int:
        return "an integer below 2**63"
    if hint is float:
        return f"a number, infinite or below {LARGEST:g}"
    if hint is nn.Module:
        return "a torch.nn.Module"
    if hasattr(hint, "dtypes"):
        kind = _KINDS.get(hint.__name__.partition("[")[0], "numbers")
        return f"a tensor ({', '.join(hint.dim_str.split())}) of {kind}"
    if origin is Callable:
        return "a function"
    return getattr(hint, "__name__", None) or str(hint)
