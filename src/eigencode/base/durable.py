"""Files that are whole and stay there: written beside, synced to disk with their folder, renamed into place.

Errors of the disk by their number, also where a library gives it only as text.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from eigencode.base.process import has_ended, this_process

_numbers = count()


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path beside it, then sync it, rename it to `path`, sync the folder.

    After an error or a kill `path` is unchanged.  Several processes may write it at once: the last one wins.  What a
    killed process of this machine left in the folder is deleted.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with written(path) as part:
    ...     _ = part.write_text("all of it")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('all of it', 1)
    """
    for left in path.parent.glob("*.part"):
        if has_ended(left.stem):
            left.unlink(missing_ok=True)
    part = path.with_name(f"{this_process()}-{next(_numbers)}.part")
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent, inside=False)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path, inside: bool = True) -> None:
    """Sync a file or a folder to disk, so that it survives a power failure; a folder with all that is `inside`."""
    for found in (path, *(path.rglob("*") if inside else ())):
        try:
            handle = os.open(found, os.O_RDONLY)
        except IsADirectoryError:  # a system that opens no folders
            continue
        try:
            os.fsync(handle)
        except OSError as error:
            if not found.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(handle)


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a disk, a quota or a file that takes no more."""

REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Error numbers of a file or a disk that this user may not write, or not read."""


def system_error(error: BaseException) -> int | None:
    """Error number of the operating system (errno); safetensors gives it only in the text of its error.

    >>> system_error(RuntimeError("I/O error: No space left on device (os error 28)")) == errno.ENOSPC
    True
    """
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def told(error: BaseException) -> str:
    """One sentence about an error of the disk, and what to do.

    >>> print(told(OSError(errno.ENOSPC, "No space left on device")))
    No space left on device
      fix:    free disk space, or write to another disk; every finished step is kept
    """
    what, number = str(error), system_error(error)
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if number in FULL:
        return f"{what}\n  fix:    free disk space, or write to another disk; every finished step is kept"
    if number in REFUSED:
        return f"{what}\n  fix:    ask its owner for the permission, or use another folder (--store, --out)"
    return what
