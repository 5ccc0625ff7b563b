"""A record as a small HTML table, for notebooks."""

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eigencode.base.record import Record


def record_html(record: "Record") -> str:
    """Fields and values; arrays by shape and type.  Everything is escaped."""
    rows = [(k, str(v)) for k, v in record.scalars().items()]
    rows += [(k, f"{tuple(v.shape)} {v.dtype}".replace("torch.", "")) for k, v in record.tensors().items()]
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v[:300])}</td></tr>" for k, v in rows)
    return f"<table><caption>{type(record).__name__}</caption>{cells}</table>"
