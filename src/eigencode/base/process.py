"""Names of processes that other processes, also on other machines, can tell from each other and from ended ones."""

import hashlib
import os
import socket
from functools import cache
from pathlib import Path

UNKNOWN = "0"


def this_process() -> str:
    """Name of this process: machine, start of the machine, process space, number and start of the process.

    Letters, digits and dashes only, so that it may be part of a file name.

    >>> has_ended(this_process())
    False
    """
    return _named(os.getpid())


def has_ended(name: str) -> bool:
    """True if the process with this name has provably ended; False if it runs, or nobody on this machine can know.

    >>> has_ended("a-process-of-another-machine")
    False
    """
    machine, boot, space, number, started = (name.split("-") + [""] * 5)[:5]
    if machine != _machine() or not number.isdecimal():
        return False
    if UNKNOWN not in (boot, _boot()) and boot != _boot():
        return True  # the machine has been started anew since
    if space != _space():
        return False  # of another container, whose processes cannot be seen from here
    if started == UNKNOWN:
        return not _exists(int(number))
    return _start(int(number)) != started


@cache
def _named(number: int) -> str:
    return "-".join((_machine(), _boot(), _space(), str(number), _start(number)))


@cache
def _machine() -> str:
    return _short(socket.gethostname() + _content("/etc/machine-id"))


@cache
def _boot() -> str:
    """Hash of the last start of this machine; unknown without an identity that tells it from a machine of its name."""
    return _short(_content("/proc/sys/kernel/random/boot_id")) if _content("/etc/machine-id") else UNKNOWN


@cache
def _space() -> str:
    """Number of the process space, which containers have of their own."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return UNKNOWN


def _start(number: int) -> str:
    """When a process started, in clock ticks after the machine; "ended" if it has ended, unknown without /proc."""
    if _space() == UNKNOWN:
        return UNKNOWN
    fields = _content(f"/proc/{number}/stat").rpartition(")")[2].split()
    return fields[19] if fields and fields[0] not in "ZX" else "ended"


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else UNKNOWN
