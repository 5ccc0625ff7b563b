"""Kill code that writes files at every point between two changes of the disk, and check the disk after each.

The code runs in a forked process, killed before the n-th access of Python to the file system, or inside the first long
write after it, which also covers writers in native code.
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
"""Audit events of Python that occur before or between changes of the disk."""

MAX_ACCESSES = 400
"""Upper limit on file-system accesses of the tested code."""

Action = Callable[[], object]


def deaths(work: Action, check: Action, prepare: Action) -> tuple[int, int]:
    """Kill the work before every access to the disk, then inside the write after each, and check the disk each time.

    Args:
        work: the code to kill.
        check: raises if the disk is in a wrong state.
        prepare: puts the disk into the state from which the work starts.

    Returns:
        The number of kills before an access, and of those inside a write.
    """
    accesses = next(n for n in range(MAX_ACCESSES) if not _dies(work, check, prepare, n + 1, _kill))
    return accesses, sum(_dies(work, check, prepare, n + 1, _no_long_writes) for n in range(accesses))


def _dies(work: Action, check: Action, prepare: Action, access: int, kill: Action) -> bool:
    """Run the work in a fork that calls `kill` at this access to the disk; True if killed, False if it finished."""
    prepare()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _at(access, kill)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    check()
    return os.WIFSIGNALED(status)


def _at(access: int, kill: Action) -> None:
    left = access

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in EVENTS:
            left -= 1
            if left == 0:
                kill()

    sys.addaudithook(count)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _no_long_writes() -> None:
    """Limit files to one byte, so that the next longer write kills the process after its first byte."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
