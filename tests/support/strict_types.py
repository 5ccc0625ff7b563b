"""The run-time type checker of the test run: beartype, with int accepted where float is asked (PEP 484), and shapes.

jaxtyping wraps every function in a scope of named axes, which is a hundred times slower than a check of plain types,
and decorating a function takes milliseconds, again in every call for an inner function.  So functions without arrays
get only the check of plain types, and of an inner function only the first instance is checked.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))
with_shapes = jaxtyping.jaxtyped
_made: set[object] = set()


def install() -> None:
    """Check all of eigencode from its import on."""
    jaxtyping.jaxtyped = decorated  # type: ignore[assignment]  # the decorator of the import hook
    jaxtyping.install_import_hook("eigencode", "strict_types.checked")


def decorated(given: Any = None, *, typechecker: Callable[..., Any]) -> Any:
    """Add the checks to a function or class."""
    if given is None:
        return functools.partial(decorated, typechecker=typechecker)
    if inspect.isclass(given):
        if dataclasses.is_dataclass(given) and "__init__" in vars(given):
            given.__init__ = decorated(given.__init__, typechecker=typechecker)  # type: ignore[misc]
        return given
    if not inspect.isfunction(given) or any(map(_needs_more, given.__annotations__.values())):
        return with_shapes(given, typechecker=typechecker)
    if "<locals>" in given.__qualname__:
        if given.__code__ in _made:
            return given
        _made.add(given.__code__)
    return _plain(given, typechecker(given))


def _plain(given: Callable[..., Any], strict: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(given)
    def either(*words: Any, **more: Any) -> Any:
        return (given if jaxtyping.config.jaxtyping_disable else strict)(*words, **more)

    return either


def _needs_more(annotation: Any) -> bool:
    """True for array annotations with axes, and for names that only jaxtyping resolves."""
    if isinstance(annotation, str | typing.ForwardRef):
        return True
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    parts = annotation if isinstance(annotation, list) else typing.get_args(annotation)
    return typing.get_origin(annotation) is not typing.Literal and any(map(_needs_more, parts))
