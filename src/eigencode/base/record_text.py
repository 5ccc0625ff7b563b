"""A record as two lines of text: its numbers, then its convention; no tensors."""

import inspect
import math
import warnings
from typing import Any

from eigencode.base.text import printable

LONGEST = 150
"""Characters of a line."""


def record_text(record: Any) -> str:
    """Estimates (properties too), numbers and lengths of axes in one line; short texts and warnings in another."""
    sizes = {a: n for k, axes in record.dims().items() if k in record.tensors() for a, n in _axes(record, k, axes)}
    fields = {**_estimates(record), **{k: v for k, v in vars(record).items() if k != "warnings"}}
    numbers = [f"{k} {_text(v)}" for k, v in fields.items() if _is_number(v)]
    texts = [f"{k} {v}" for k, v in fields.items() if isinstance(v, str) and 0 < len(v) <= 40]
    said = len(getattr(record, "warnings", ()))
    texts += [f"! {said} warning{'s' if said > 1 else ''}"] if said else []
    first = ", ".join([*numbers, *(f"{n} x {a}" for a, n in sizes.items())])
    lines = [f"{type(record).__name__}: {first}", *([f"  {', '.join(texts)}"] if texts else [])]
    return "\n".join(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in map(_printable, lines))


def _printable(line: str) -> str:
    return printable(line, 10_000)


def _axes(record: Any, name: str, axes: tuple[str, ...]) -> zip:
    return zip(axes, getattr(record, name).shape, strict=False)


def _estimates(record: Any) -> dict[str, Any]:
    """The properties of a record that are numbers with an interval, by name, in the order of the class."""
    found = {}
    for name, member in vars(type(record)).items():
        if isinstance(member, property) and _returned(member) == "Estimate":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the record has them
                found[name] = getattr(record, name)
    return found


def _returned(member: property) -> str:
    """Name of the type that a property returns."""
    kind = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
    return str(getattr(kind, "__name__", kind))


def _is_number(value: Any) -> bool:
    """True for numbers and estimates that are not NaN, and for short tuples of numbers."""
    if isinstance(value, tuple):
        return 0 < len(value) <= 3 and all(isinstance(v, int | float) for v in value)
    estimate = hasattr(value, "interval") and hasattr(value, "__float__")
    return (isinstance(value, int | float) or estimate) and not math.isnan(float(value))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    return f"{value:.4g}" if type(value) is float else str(value)
