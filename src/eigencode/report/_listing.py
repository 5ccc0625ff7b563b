"""Short tables for the terminal, and the finished steps of a study."""

import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigencode.base.text import printable
from eigencode.study._order import ordered
from eigencode.study._shipped import header, shipped
from eigencode.study._upkeep import unsealed
from eigencode.study.plan import Cell
from eigencode.study.read import loaded
from eigencode.study.store import Store


def listing(header: Sequence[str], rows: Sequence[Sequence[object]], console: Console) -> None:
    """Print a table without lines, numbers right-aligned; an empty header is omitted."""
    table = Table(box=None, pad_edge=False, show_header=any(header), header_style="dim")
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        table.add_column(Text(name), justify="right" if all(isinstance(c, int | float) for c in cells) else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell, 500)) for cell in row))
    console.print(table)


def room(size: float) -> str:
    """Format a number of bytes.

    >>> room(512), room(20_480), room(3.2e9)
    ('512 B', '20.0 KiB', '3.0 GiB')
    """
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log2(size) // 10), len(units) - 1) if size >= 1 else 0
    return f"{size / 1024**power:.1f} {units[power]}" if power else f"{size:.0f} B"


def catalogue() -> list[dict[str, Any]]:
    """The studies that come with the package: name, file, entries of the header, data sets, and in short what each
    `takes`."""
    found = []
    for name, path in shipped().items():
        said = header(path)
        data = loaded(path).get("data", [])
        takes = re.split(r"[;:]| \(|\. ", said.get("time", ""))[0]
        data = [data] if isinstance(data, str) else data
        found.append({"name": name, "file": str(path), **said, "data": data, "takes": takes})
    return found


def finished(cells: list[Cell], store: Store) -> dict[str, dict[str, float]]:
    """Count finished and all steps of a study, and computing time, by kind and under "all"."""
    found: dict[str, dict[str, float]] = {}
    total = {"finished": 0, "steps": 0, "seconds": 0.0}
    for step in ordered([c.step for c in cells]):
        seconds = float(store.meta(step)["seconds"]) if store.has(step) else None
        for entry in (found.setdefault(step.name, {"finished": 0, "steps": 0, "seconds": 0.0}), total):
            entry["steps"] += 1
            entry["finished"] += seconds is not None
            entry["seconds"] += seconds or 0.0
    return {**found, "all": total}


def say_unsealed(store: Store, keys: Iterable[str]) -> None:
    """Say on standard error, once, that some of these results have no checksums, and what to do."""
    if note := unsealed(store, keys):
        sys.stderr.write(f"{note}\n")
