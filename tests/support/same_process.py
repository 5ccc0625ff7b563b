"""Workers without processes, for tests that start many."""

from collections.abc import Iterator
from contextlib import contextmanager

from eigencode.study._attempt import Ended, attempt
from eigencode.study._engine import Engine
from eigencode.study.step import Step
from eigencode.study.store import Store


class SameProcess(Engine):
    """So many workers, each of which works when it is asked how its step has ended, the last first."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.given: list[tuple[Step, Store]] = []

    def has_room(self) -> bool:
        return len(self.given) < self.number

    def start(self, step: Step, store: Store, claim: int) -> None:
        self.given.append((step, store))

    def ended(self, patience: float | None) -> list[tuple[Step, Ended]]:
        step, store = self.given.pop()
        return [(step, attempt(step, store))]

    def stop(self) -> bool:
        return True


@contextmanager
def same_process(workers: int, *_: object) -> Iterator[SameProcess]:
    """In the place of `study._workers.engine`."""
    yield SameProcess(workers)
