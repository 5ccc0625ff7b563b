"""Errors of the disk by their number, also where a library gives it only as text."""

import errno
import re

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a disk, a quota or a file that takes no more."""

REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Error numbers of missing permission to write or read a file, and of a read-only disk."""


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
