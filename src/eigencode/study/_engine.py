"""Where steps of a run execute: the interface, and the engine that runs them one by one in this process."""

from abc import ABC, abstractmethod

from eigencode.study._attempt import Ended, attempt
from eigencode.study.step import Step
from eigencode.study.store import Store


class Engine(ABC):
    """Executes the steps that a run gives it, each of which has the claim on it and finished inputs."""

    @abstractmethod
    def has_room(self) -> bool:
        """True if one more step can start now."""

    @abstractmethod
    def start(self, step: Step, store: Store, claim: int) -> None:
        """Start a step; `claim` is the number of the run's claim on it, which a worker may take over."""

    @abstractmethod
    def ended(self, patience: float | None) -> list[tuple[Step, Ended]]:
        """Return the steps that ended since the last call; wait for one if there is none, at most `patience` seconds.

        Raises:
            EigencodeError: nothing can be executed any more.
        """

    @abstractmethod
    def stop(self) -> bool:
        """End the steps that run; False if their workers go on with them."""


class Here(Engine):
    """Runs each step at once, in this process and with all of its threads."""

    def __init__(self) -> None:
        self._done: list[tuple[Step, Ended]] = []

    def has_room(self) -> bool:
        return not self._done

    def start(self, step: Step, store: Store, claim: int) -> None:
        self._done.append((step, attempt(step, store)))

    def ended(self, patience: float | None) -> list[tuple[Step, Ended]]:
        done, self._done = self._done, []
        return done

    def stop(self) -> bool:
        return True
