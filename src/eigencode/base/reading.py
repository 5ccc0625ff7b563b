"""Read files of unknown origin: bounded in memory, and whatever a reader raises becomes one error about the file."""

import contextlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eigencode.base.errors import DataError, EigencodeError, InputError, nearest
from eigencode.base.text import printable

CUT_OFF = "the copy was cut off or is of another format: fetch or save the file again"

FREE = 1 << 28
"""Contents of at most so many bytes are read from a file of any size."""

TIMES = 200
"""Larger contents are at most so many times as large as their file; what is recorded or drawn packs less tightly."""


@contextmanager
def reading(
    what: str,
    *,
    of: type[Exception] | tuple[type[Exception], ...] = Exception,
    wanted: object = "a complete file",
    fix: object = None,
    error: type[InputError] = DataError,
) -> Iterator[None]:
    """Turn exceptions inside the block into an error of this package; the libraries that read files raise any type.

    Args:
        what: first line of the error, with the name of the file.
        of: exceptions that are turned.
        wanted, fix: the other lines.
        error: class of the error.

    >>> with reading("a.json: no JSON", fix="write it again"):
    ...     [][1]
    Traceback (most recent call last):
    ...
    eigencode.base.errors.DataError: a.json: no JSON
      got:    IndexError: list index out of range
      wanted: a complete file
      fix:    write it again
    """
    try:
        yield
    except EigencodeError:
        raise
    except of as found:
        raise error(what, got=_said(found), wanted=wanted, fix=fix) from found


def _said(error: Exception) -> str:
    """Class and text of an exception, in one line."""
    return printable(f"{type(error).__name__}: {error}".rstrip(": ").partition("\n")[0], 300)


def affordable(what: str, size: int, stored: int, fix: object) -> None:
    """Refuse contents that are far larger than the file they are in; ask before any memory is taken for them.

    Args:
        what: name of the file and the array in it.
        size: bytes in memory, as the file declares.
        stored: bytes of the file.
        fix: how to store the contents otherwise.

    >>> affordable("a.npz: x", 10**12, 2000, "np.savez")
    Traceback (most recent call last):
    ...
    eigencode.base.errors.DataError: a.npz: x is far larger than its file
      got:    1e+12 bytes in a file of 2e+03
      wanted: at most 200 times the file, or 268435456 bytes
      fix:    np.savez
    """
    if size > max(FREE, TIMES * stored):
        raise DataError(
            f"{what} is far larger than its file",
            got=f"{size:.3g} bytes in a file of {stored:.3g}",
            wanted=f"at most {TIMES} times the file, or {FREE} bytes",
            fix=fix,
        )


def similar(path: Path) -> str | None:
    """Suggest a file of a similar name in the same folder, for the fix of an error; None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        there = [p.name for p in itertools.islice(path.parent.iterdir(), 1000) if p.name != path.name]
        if (said := nearest(path.name, there)).startswith("did you mean"):
            return said
    return None


def regular(path: Path, wanted: object = "a file to read") -> int:
    """Size of a file in bytes; `DataError` if there is none, it is empty, or a folder, a pipe or a device."""
    with reading(f"{path}: no such file", of=(OSError, ValueError), wanted=wanted):
        there, plain = path.exists(), path.is_file()
        size = path.stat().st_size if plain else 0
    if not plain:
        got = None if not there else "a folder" if path.is_dir() else "a pipe, a socket or a device"
        raise DataError(f"{path}: no such file", got=got, wanted=wanted, fix=None if there else similar(path))
    if size == 0:
        raise DataError(f"{path}: the file is empty", got="0 bytes", fix=CUT_OFF)
    return size
