"""A worker without a process, for tests that start many."""

from collections.abc import Callable
from multiprocessing import Pipe

from eigencode.study._worker import Ended, Worker


class SameProcess(Worker):
    """`study._worker.Worker`, but it works when it is asked to, in the process of the test."""

    def __init__(self, work: Callable[..., Ended]) -> None:
        self.work = work
        self.connection, self._other = Pipe()

    def send(self, *given: object) -> None:
        self._other.send(self.work(*given))

    def stop(self) -> None:
        with self.connection, self._other:
            pass
