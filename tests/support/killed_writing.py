"""Die by a signal inside a piece of writing, at every point where the disk looks different, and look at the disk.

Each death is one of a fork: before the n-th time that Python touches the file system, or inside the first long write
after it, which reaches writers that are no Python.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable

EVENTS = (
    *("open", "shutil.copyfile", "shutil.copytree", "shutil.copymode", "shutil.copystat", "shutil.move"),
    *("shutil.rmtree", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.utime", "os.setxattr", "os.listxattr", "os.scandir", "os.listdir"),
)
"""Audit events of Python that come before a change of the disk, or between two of them."""

MOST = 400
"""Touches of one piece of writing; more are no piece."""

Action = Callable[[], object]


def deaths(work: Action, look: Action, before: Action) -> tuple[int, int]:
    """Kill the work before its first touch of the disk, its second, ... then inside the write after each, and look.

    Args:
        work: what is killed.
        look: fails where the disk is not as it must be.
        before: puts the disk into the state from which the work starts.

    Returns:
        How often the work died before a touch, and inside a write.
    """
    touched = next(n for n in range(MOST) if not _dies(work, look, before, n + 1, _kill))
    return touched, sum(_dies(work, look, before, n + 1, _no_long_writes) for n in range(touched))


def _dies(work: Action, look: Action, before: Action, touch: int, fate: Action) -> bool:
    """Run the work in a fork that meets its fate at this touch of the disk; True if it died, False if it ended well."""
    before()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _at(touch, fate)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    look()
    return os.WIFSIGNALED(status)


def _at(touch: int, fate: Action) -> None:
    left = touch

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in EVENTS:
            left -= 1
            if left == 0:
                fate()

    sys.addaudithook(count)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _no_long_writes() -> None:
    """From now on, a write beyond the first byte of a file ends the process after that byte."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
