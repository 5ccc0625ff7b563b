"""Standard JSON, without the bare NaN and Infinity that Python writes by default."""

import json
import math
from typing import Any


def dumps(value: Any, compact: bool = False) -> str:
    """Serialise to JSON; NaN becomes null, an infinity the string "Infinity" or "-Infinity".

    >>> print(dumps([1.5, float("nan"), float("-inf")], compact=True))
    [1.5,null,"-Infinity"]
    """
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    return json.dumps(_strict(value), ensure_ascii=False, allow_nan=False, **layout)


def number(value: float | str | None) -> float:
    """Convert a JSON value written by `dumps` back to a float.

    >>> number(None), number("Infinity"), number(2)
    (nan, inf, 2.0)
    """
    return math.nan if value is None else float(value)


def _strict(value: Any) -> Any:
    """Replace NaN and infinities in nested lists and dicts by values that JSON has."""
    if isinstance(value, dict):
        return {k: _strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
