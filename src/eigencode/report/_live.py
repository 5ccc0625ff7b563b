"""Progress line of a run: running steps, number of finished steps, estimated time left."""

import sys
import threading
import time
from statistics import mean
from typing import TYPE_CHECKING

from eigencode.base.progress import clock
from eigencode.base.text import printable
from eigencode.study._order import ordered
from eigencode.study.executor import Outcome
from eigencode.study.plan import Cell
from eigencode.study.step import Step

if TYPE_CHECKING:
    from rich.text import Text


class Live:
    """Callback for the events of a run (`study.executor.Watch`); prints a line per finished step of a second or more.

    `progress.shown(live)` displays the progress line.  Steps in this process have their own progress bar; for those of
    other processes the line shows their running time.  The time left assumes that each remaining step takes as long as
    the finished ones of its kind.
    """

    def __init__(self, cells: list[Cell], workers: int = 1) -> None:
        self.owners = owners(cells)
        self.workers = workers
        self.waiting = {s.key: s for s in ordered([c.step for c in cells])}
        self.running: dict[str, float] = {}
        self.took: dict[str, list[float]] = {}
        self.lock = threading.RLock()
        self.counted = (0, len(self.waiting))

    def __call__(self, event: str, step: Step, seconds: float, done: int, total: int) -> None:
        with self.lock:
            self.counted = (done, total)
            if event == "start":
                self.running[step.key] = time.monotonic()
            else:
                self.running.pop(step.key, None)
                self.waiting.pop(step.key, None)
            if event == "done":
                self.took.setdefault(step.name, []).append(seconds)
            if event in ("failed", "skipped") or (event == "done" and seconds >= 1):
                what = f"{self.owners[step.key]}: {step.describe()}"
                sys.stderr.write(f"[{done}/{total}] {event} {what}  {seconds:.1f} s\n")

    def left(self) -> float | None:
        """Estimated seconds left; None until one step of every remaining kind has finished."""
        total, now = 0.0, time.monotonic()
        for key, step in self.waiting.items():
            if step.name not in self.took:
                return None
            spent = now - self.running.get(key, now)
            total += max(mean(self.took[step.name]) - spent, 0.0)
        return total / self.workers

    def line(self) -> str:
        """Text of the progress line."""
        now, left = time.monotonic(), self.left()
        doing = [
            f"{self.owners[key]}: {self.waiting[key].describe()}"
            + (f" {clock(now - began)}" if self.workers > 1 else "")
            for key, began in self.running.items()
        ]
        text = f"[{self.counted[0]}/{self.counted[1]}] {', '.join(doing)}"
        return text if left is None or left < 2 else f"{text}; about {clock(left)} left"

    def __rich__(self) -> "Text":
        from rich.text import Text

        with self.lock:
            return Text(self.line(), no_wrap=True, overflow="ellipsis")


def owners(cells: list[Cell]) -> dict[str, str]:
    """Model and seed of each step, by key, for messages."""
    return {s.key: f"{printable(c.model, 60)}, seed {c.seed}" for c in cells for s in ordered([c.step])}


def summary(outcome: Outcome) -> str:
    """The numbers of steps of a run that has ended, and its time, in one line."""
    parts = [f"{len(outcome.done)} steps done", f"{len(outcome.cached)} already there"]
    parts += [f"{len(outcome.failed)} failed"] if outcome.failed else []
    parts += [f"{len(outcome.skipped)} skipped"] if outcome.skipped else []
    return f"{', '.join(parts)}, {clock(outcome.seconds)}"
