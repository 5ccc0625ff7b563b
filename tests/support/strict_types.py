"""The run-time type checker of the test run: beartype, with int accepted where float is asked (PEP 484), and shapes.

Checks of arrays, whose axes have names, are a hundred times slower than those of plain types, and making the checks of
a function takes milliseconds, again in every call for an inner function.  So functions without arrays get only the
check of plain types, a function is checked in its first `CALLS` calls of each test (attacks make thousands), of an
inner function only the first instance is checked, and the checks of a function are made when it is called first.
"""

import dataclasses
import functools
import inspect
import random
import typing
from collections.abc import Callable
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

import jaxtyping
import jaxtyping._import_hook as hook
from beartype import BeartypeConf, beartype
from beartype._check.code import codemain
from jaxtyping._decorator import _destring_annotation
from jaxtyping._storage import pop_shape_memo, push_shape_memo

checked = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))
with_shapes = jaxtyping.jaxtyped
(PACKAGE,) = find_spec("eigencode").submodule_search_locations  # type: ignore[union-attr, misc]
CALLS = 50
_test = 0
_made: set[object] = set()
_cache_of_hook = hook._optimized_cache_from_source


def install() -> None:
    """Check all of eigencode from its import on; beartype chooses the items it looks at by a generator of its own."""
    codemain.getrandbits = random.Random(0).getrandbits  # else a check changes `random`, which tests watch
    jaxtyping.jaxtyped = decorated  # type: ignore[assignment]  # the decorator of the import hook
    hook._optimized_cache_from_source = _cache_of
    jaxtyping.install_import_hook("eigencode", "strict_types.checked")


def _cache_of(tag: str, /, path: str, debug_override: bool | None = None) -> str:
    """The compiled file of a module.  The hook would want compiled files of its own kind even of what our modules
    import, and compile scipy and matplotlib anew."""
    ours = Path(path).is_relative_to(PACKAGE)
    return _cache_of_hook(tag, path, debug_override) if ours else cache_from_source(path, debug_override)


def decorated(given: Any = None, *, typechecker: Callable[..., Any]) -> Any:
    """Add the checks to a function or class."""
    if given is None:
        return functools.partial(decorated, typechecker=typechecker)
    if inspect.isclass(given):
        if dataclasses.is_dataclass(given) and "__init__" in vars(given):
            given.__init__ = decorated(given.__init__, typechecker=typechecker)  # type: ignore[misc]
        return given
    if not inspect.isfunction(given):
        return with_shapes(given, typechecker=typechecker)
    if any(map(_needs_more, given.__annotations__.values())):
        return _when_called(given, functools.partial(_with_axes, typechecker=typechecker))
    if "<locals>" in given.__qualname__:
        if given.__code__ in _made:
            return given
        _made.add(given.__code__)
    return _when_called(given, typechecker)


def next_test() -> None:
    """Check the first calls of all functions again."""
    global _test
    _test += 1


def _with_axes(given: Callable[..., Any], typechecker: Callable[..., Any]) -> Callable[..., Any]:
    """Each call has axes of its own: arguments and result are checked against one another, and no other call."""
    written = given.__annotations__
    given.__annotations__ = {name: _destring_annotation(a, given.__globals__) for name, a in written.items()}
    strict = typechecker(given)
    given.__annotations__ = written

    def scoped(*words: Any, **more: Any) -> Any:
        push_shape_memo({})
        try:
            return strict(*words, **more)
        finally:
            pop_shape_memo()

    return scoped


def _when_called(given: Callable[..., Any], check: Callable[..., Any]) -> Callable[..., Any]:
    strict: Callable[..., Any] | None = None
    test, left = _test, CALLS

    @functools.wraps(given)
    def either(*words: Any, **more: Any) -> Any:
        nonlocal strict, test, left
        if test != _test:
            test, left = _test, CALLS
        if not left or jaxtyping.config.jaxtyping_disable:
            return given(*words, **more)
        left -= 1
        if strict is None:
            strict = check(given)
        return strict(*words, **more)

    return either


def _needs_more(annotation: Any) -> bool:
    """True for array annotations with axes, and for names that only jaxtyping resolves."""
    if isinstance(annotation, str | typing.ForwardRef):
        return True
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    parts = annotation if isinstance(annotation, list) else typing.get_args(annotation)
    return typing.get_origin(annotation) is not typing.Literal and any(map(_needs_more, parts))
