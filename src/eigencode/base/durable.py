"""Files and folders that are whole and stay there: written beside, synced to disk, renamed into place."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from eigencode.base.process import has_ended, this_process

_numbers = count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder atomically: yield a path beside it, then sync it, rename it to `path`, sync the parent.

    After an error or a kill `path` is unchanged.  Several processes may write it at once: the last one wins.  What a
    killed process of this machine left in the folder is deleted.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(path) as part:
    ...     _ = part.write_text("all of it")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('all of it', 1)
    """
    for left in path.parent.glob("*.part"):
        if has_ended(left.stem):
            _delete(left)
    part = path.with_name(f"{this_process()}-{next(_numbers)}.part")
    try:
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent, inside=False)
    finally:
        _delete(part)


def _delete(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


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
