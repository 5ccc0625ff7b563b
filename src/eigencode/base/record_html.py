"""A record as a small HTML table, for notebooks."""

import html
from typing import Any

from torch import Tensor


def record_html(name: str, scalars: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """Fields and values; arrays by shape and type.  Everything is escaped."""
    rows = [(k, str(v)) for k, v in scalars.items()]
    rows += [(k, f"{tuple(v.shape)} {v.dtype}".replace("torch.", "")) for k, v in tensors.items()]
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v[:300])}</td></tr>" for k, v in rows)
    return f"<table><caption>{html.escape(name)}</caption>{cells}</table>"
