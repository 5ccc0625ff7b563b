"""Progress bars with remaining time on standard error: on a terminal only, and only for long work."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

T = TypeVar("T")

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quiet(on: bool = True) -> Iterator[None]:
    """Disable progress bars inside the block (`eigencode --quiet`, worker processes)."""
    token = _quiet.set(on)
    try:
        yield
    finally:
        _quiet.reset(token)


def progress(items: Iterable[T], label: str, total: int | None = None, patience: float = 2.0) -> Iterator[T]:
    """Yield `items` with a progress bar, shown on standard error after `patience` seconds.

    The bar has `label`, the fraction done and the time left.  Without a terminal nothing is drawn.

    >>> list(progress([1, 2, 3], "counting"))
    [1, 2, 3]
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    if not _visible() or not total:
        yield from items
        return
    start, bar = time.monotonic(), None
    try:
        for done, item in enumerate(items, 1):
            yield item
            spent = time.monotonic() - start
            if bar is None and spent > patience:
                from rich.progress import BarColumn, Progress, TextColumn

                columns = ("{task.description}", BarColumn(24), "{task.percentage:>3.0f}%  {task.fields[left]} left")
                texts = [TextColumn(c) if isinstance(c, str) else c for c in columns]
                bar = Progress(*texts, console=_console(), transient=True)
                task = bar.add_task(label, total=total, completed=done, left=clock(spent * (total / done - 1)))
                bar.start()
            elif bar is not None:
                bar.update(task, completed=done, left=clock(spent * (total / done - 1)))
    finally:
        if bar is not None:
            bar.stop()


@contextmanager
def shown(renderable: "RenderableType") -> Iterator[None]:
    """Display a rich renderable below the output while the block runs, refreshed every quarter of a second."""
    if not _visible():
        yield
        return
    from rich.live import Live

    with Live(renderable, console=_console(), transient=True):
        yield


def _visible() -> bool:
    """True if progress may be drawn: standard error is a terminal and `quiet` is off."""
    return not _quiet.get() and sys.stderr.isatty()


@cache
def _console() -> "Console":
    """The one console of all progress bars, so that they are stacked."""
    from rich.console import Console

    return Console(stderr=True)


def clock(seconds: float) -> str:
    """Format a duration.

    >>> clock(0.4), clock(75), clock(4000)
    ('0.4 s', '1 min 15 s', '1 h 06 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
