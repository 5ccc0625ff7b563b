"""A progress bar with time left, shown only to a person and only for work that takes long."""

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
_heading: ContextVar[str] = ContextVar("heading", default="")


@contextmanager
def quiet(on: bool = True) -> Iterator[None]:
    """No progress bars inside (`eigencode --quiet`, worker processes)."""
    token = _quiet.set(on)
    try:
        yield
    finally:
        _quiet.reset(token)


def heading(text: str) -> None:
    """What the bars of the work that follows belong to, shown before each of them; empty to end it."""
    _heading.set(text)


def progress(items: Iterable[T], label: str, total: int | None = None, patience: float = 2.0) -> Iterator[T]:
    """Yield `items`; after `patience` seconds show `label`, fraction done and time left on standard error.

    Nothing is drawn when standard error is not a terminal, so logs and notebooks stay clean.

    >>> list(progress([1, 2, 3], "counting"))
    [1, 2, 3]
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if _quiet.get() or not sys.stderr.isatty() or not total:
        yield from items
        return
    start = time.monotonic()
    shown = 0.0
    try:
        for done, item in enumerate(items):
            yield item
            now = time.monotonic()
            if now - start > patience and now - shown > 0.2:
                shown = now
                _draw(label, (done + 1) / total, now - start)
    finally:
        if shown:
            write_line(_heading.get())


def write_line(text: str) -> None:
    """Put `text` in the place of the line that moves, cut at the edge of the terminal."""
    sys.stderr.write("\r\033[K" + text[: _columns()])
    sys.stderr.flush()


def _columns() -> int:
    return shutil.get_terminal_size().columns - 1


def _draw(label: str, fraction: float, elapsed: float) -> None:
    left = elapsed * (1 / fraction - 1)
    bar = "━" * round(24 * fraction)
    state = f"{label:<24.24} {bar:<24} {fraction:4.0%}  {clock(left)} left"
    room = _columns() - len(state) - 2
    write_line(f"{_heading.get()[: max(room, 0)]}  {state}" if _heading.get() and room > 0 else state)


def clock(seconds: float) -> str:
    """A duration for people.

    >>> clock(0.4), clock(75), clock(4000)
    ('0.4 s', '1 min 15 s', '1 h 06 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
