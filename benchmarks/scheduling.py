"""Keys and order of 4000 steps, against looking through all waiting steps again whenever one has ended.

Both ways make the same keys once, order the steps and give two of them out at a time; nothing is run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.timing import Result, best
from eigencode.study._order import Queue, ordered
from eigencode.study.step import Inputs, Step

WORKERS = 2


@dataclass(frozen=True)
class Nothing(Step):
    """A step that does nothing, with settings as long as those of training."""

    number: int
    needs: tuple[Step, ...] = ()
    lr: float = 1e-3
    schedule: tuple[int, ...] = (30, 90, 120, 160)
    name: ClassVar[str] = "nothing"

    def run(self, folder: Path, inputs: Inputs) -> None:
        """Nothing."""


def study(networks: int = 500, measures: int = 5) -> list[Step]:
    """Networks of three steps each, with measurements of the last: 4000 steps."""
    goals: list[Step] = []
    for n in range(networks):
        step = Nothing(3 * n)
        for k in (1, 2):
            step = Nothing(3 * n + k, (step,))
        goals += [Nothing(3 * networks + measures * n + m, (step,)) for m in range(measures)]
    return goals


def counted(goals: list[Step]) -> list[Step]:
    """The order in which steps start, by counting for each how many inputs are missing."""
    queue, running, started = Queue(ordered(goals)), list[Step](), list[Step]()
    while queue:
        while len(running) < WORKERS and (step := queue.next()) is not None:
            running.append(step)
            started.append(step)
        queue.done(running.pop(0))
    return started


def rescanned(goals: list[Step]) -> list[Step]:
    """The same, by looking through all waiting steps again."""
    waiting = {s.key: s for s in ordered(goals)}
    needs = {s.key: [n.key for n in s.inputs()] for s in waiting.values()}
    running, ended, started = list[Step](), set[str](), list[Step]()
    while waiting or running:
        ready = [key for key in waiting if all(n in ended for n in needs[key])]
        for key in ready[: WORKERS - len(running)]:
            running.append(waiting.pop(key))
            started.append(running[-1])
        ended.add(running.pop(0).key)
    return started


def run() -> list[Result]:
    orders: dict[str, list[str]] = {}

    def way(schedule: Callable[[list[Step]], list[Step]]) -> None:
        orders[schedule.__name__] = [s.key for s in schedule(study())]

    slow, fast = best(lambda: way(rescanned), lambda: way(counted), repeats=2)
    agreement = "the same order" if orders["rescanned"] == orders["counted"] else "another order"
    work = f"keys and order of {len(orders['counted'])} steps"
    return [Result(work, slow, fast, 10.0, agreement, "at most 1 s in all is wanted")]
