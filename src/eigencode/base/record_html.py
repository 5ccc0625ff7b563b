"""HTML table of a record, for notebooks: all text is escaped, no scripts or styles are needed."""

import html
import math
from typing import Any

import torch
from torch import Tensor

from eigencode.base.text import printable

CONVENTIONS = ("convention", "method", "interval_method", "weights", "norm", "space", "kind", "attack", "place", "seed")
"""Fields that describe the convention; they come after the numbers."""


def record_html(name: str, scalars: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """Table of numbers with intervals, arrays with shape and range, conventions, and warnings."""
    said = scalars.get("warnings") or ()
    plain = {k: v for k, v in scalars.items() if k != "warnings"}
    rows = [(k, _text(v)) for k, v in plain.items() if k not in CONVENTIONS]
    rows += [(k, _array(v)) for k, v in tensors.items()]
    rows += [(k, _text(plain[k])) for k in CONVENTIONS if k in plain]
    if "warnings" in scalars:
        rows.append(("warnings", str(len(said)) if said else "none"))
    cells = "".join(f"<tr><th>{_escaped(k)}</th><td>{_escaped(v)}</td></tr>" for k, v in rows)
    below = "".join(f"<p>! {_escaped(w, 1000)}</p>" for w in said)
    return f"<table><caption>{_escaped(name)}</caption>{cells}</table>{below}"


def _text(value: Any) -> str:
    """Format a value: six digits, an estimate with its interval, a dash for NaN or None."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.6g}".replace("inf", "∞")
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            method = f" ({value['method']})" if value.get("method") else ""
            return f"{_text(value['value'])} [{_text(value['low'])}, {_text(value['high'])}]{method}"
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items()) or "–"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_text, value))})" if value else "–"
    return str(value)


def _array(x: Tensor) -> str:
    """Describe a tensor by shape, type, range and number of non-finite values."""
    kind = f"{' × '.join(map(str, x.shape)) or 'one number'}, {x.dtype}".replace("torch.", "")
    if x.numel() == 0 or x.dtype == torch.bool:
        return kind if x.numel() == 0 else f"{kind}, {int(x.sum())} true"
    finite = x[x.isfinite()]
    odd = x.numel() - finite.numel()
    span = f", {_text(finite.min().item())} to {_text(finite.max().item())}" if finite.numel() else ""
    return f"{kind}{span}" + (f", {odd} not finite" if odd else "")


def _escaped(text: Any, longest: int = 300) -> str:
    return html.escape(printable(text, longest))
