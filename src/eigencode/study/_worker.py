"""A process of its own that runs steps, one after the other."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection

from eigencode.base.progress import quiet

Ended = tuple[str | None, float]
"""(error message or None, seconds) of a step that has ended."""

DIED = "its process died; if the system stopped it for lack of memory, use fewer --workers or a smaller study"


class Worker:
    """A process that calls a function for every message, and sends back what it returns.

    Pipes only: no semaphore, no queue and no shared memory that could be left behind.  It ends with the process that
    started it, however that ends.
    """

    def __init__(self, work: Callable[..., Ended]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work))
        self._process.start()
        theirs.close()

    def send(self, *given: object) -> None:
        """Start the work on these arguments; a worker that has died says so in `result`.

        Raises:
            Exception: they cannot be pickled.
        """
        with suppress(BrokenPipeError):
            self.connection.send(given)

    def result(self) -> Ended | None:
        """What the work returned, waited for; None if the process has died."""
        try:
            ended: Ended = self.connection.recv()
            return ended
        except (EOFError, ConnectionError):
            return None

    def stop(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection, work: Callable[..., Ended]) -> None:
    """Work until the other end is closed; interrupts are for the main process, which ends this one."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with quiet():
        while True:
            try:
                given = connection.recv()
            except EOFError:
                return
            except Exception as error:  # it cannot be unpickled: a module is not found here
                ended: Ended = (f"{type(error).__name__}: {error}", 0.0)
            else:
                ended = work(*given)
            connection.send(ended)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
