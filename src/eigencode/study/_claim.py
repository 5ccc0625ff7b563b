"""Claims on steps, so that several runs on one store, also of several machines, never compute the same step.

The protocol, with nothing but a shared folder:

* A run computes a step only while it holds the claim on it.  The claim is the file `claims/KEY.N` with the highest N,
  created exclusively (`O_EXCL`) and never changed; its first line names the process that holds it.
* The holder touches its claim every `BEAT_S` seconds.  A claim is abandoned if its process has ended, which processes
  of the same machine see at once, or if somebody who watches it has seen no touch for `STALE_S` seconds of his own
  clock.  Only whether the time of the file changes counts, never its value, so clocks may differ.
* To take over an abandoned claim N is to create N + 1: exactly one of several that try succeeds.
* Who gets a claim looks once more whether the result is there before it computes.
* A run may let a worker take its claim N over, by creating N + 1 likewise; so a step is held by the process that
  computes it.  If a worker is known to have died, its run takes the claim back in the same way.
* Who has finished, or has failed, deletes the claims up to its own, the lowest first; if it has been taken over
  meanwhile, it leaves them to its successor.

A holder that was taken for dead and goes on does no harm: the first result is kept, and it is the same.
"""

import errno
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from eigencode.base.process import has_ended, this_process

BEAT_S = 20.0
STALE_S = 300.0
NAMELESS_S = 5.0
"""Patience with a claim whose holder was killed while it wrote its name, which takes less than a millisecond."""


class Claims:
    """The claims of one run; a context that keeps them alive and gives all back at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, int] = {}
        self._seen: dict[Path, tuple[tuple[str, int], float]] = {}
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Claims":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._beating.is_alive():
            self._beating.join()
        for key in tuple(self._held):
            self.release(key)

    def take(self, key: str) -> bool:
        """Claim a step; False if another run holds it.

        Raises:
            OSError: no claim can be written.
        """
        last = 0
        while self.path(key, last + 1).exists():
            last += 1
        if last and not self._abandoned(self.path(key, last)):
            return False
        return self.follow(key, last)

    def follow(self, key: str, number: int) -> bool:
        """Take over claim `number`, whose holder lets go of it or has ended; False if another has done so.

        Raises:
            OSError: no claim can be written.
        """
        try:
            self._create(self.path(key, number + 1))
        except FileExistsError:
            return False
        self._held[key] = number + 1
        if not self._beating.ident:
            self._beating.start()
        return True

    def number(self, key: str) -> int:
        """The number of the claim that is held on a step; 0 if none is."""
        return self._held.get(key, 0)

    def path(self, key: str, number: int) -> Path:
        """The file of a claim."""
        return self.folder / f"{key}.{number}"

    def forget(self, key: str) -> None:
        """Leave a claim to the worker that took it over."""
        self._held.pop(key, None)

    def release(self, key: str) -> None:
        """Give a claim back, if it is held, whether its step is finished or has failed."""
        mine = self._held.pop(key, 0)
        if self.path(key, mine + 1).exists():
            return
        for number in range(1, mine + 1):
            with suppress(OSError):
                self.path(key, number).unlink()

    def _create(self, path: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            text = f"{this_process()}\nprocess {os.getpid()} on {socket.gethostname()}\n".encode()
            if os.write(handle, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)

    def _abandoned(self, path: Path) -> bool:
        """True if the process of a claim has ended, or if it has not been touched for long enough."""
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
            holder, seen = text.partition("\n")[0], (text, path.stat().st_mtime_ns)
        except FileNotFoundError:  # given back meanwhile
            return False
        except PermissionError:
            text = holder = "unreadable\n"
            seen = (text, path.stat().st_mtime_ns)
        if has_ended(holder):
            return True
        now = time.monotonic()
        before, since = self._seen.get(path, (None, now))
        if seen != before:
            self._seen[path] = (seen, now)
            return False
        return now - since > (STALE_S if text.endswith("\n") else NAMELESS_S)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            for key, number in tuple(self._held.items()):
                with suppress(OSError):
                    os.utime(self.path(key, number))
