"""Short tables for the terminal."""

import math
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigencode.base.strict_json import dumps
from eigencode.base.text import printable


def listing(header: Sequence[str], rows: Sequence[Sequence[object]], console: Console) -> None:
    """Print rows as aligned columns without lines, numbers to the right; the header row is left out if it is empty."""
    table = Table(box=None, pad_edge=False, show_header=any(header), header_style="dim")
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        table.add_column(Text(name), justify="right" if all(isinstance(c, int | float) for c in cells) else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell, 500)) for cell in row))
    console.print(table)


def print_list(as_json: object, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print `as_json` as JSON; if it is None, print the rows as a table."""
    if as_json is not None:
        typer.echo(dumps(as_json))
    else:
        listing(header, rows, console())


def console() -> Console:
    """Console for standard output; lines are not wrapped if it is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=10_000)


def room(size: float) -> str:
    """Format a number of bytes.

    >>> room(512), room(20_480), room(3.2e9)
    ('512 B', '20.0 KiB', '3.0 GiB')
    """
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log2(size) // 10), len(units) - 1) if size >= 1 else 0
    return f"{size / 1024**power:.1f} {units[power]}" if power else f"{size:.0f} B"
