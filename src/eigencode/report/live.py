"""The line that says how a run goes: which steps are running, how many are finished, about how long it will take."""

import sys
import threading
import time
from statistics import mean
from typing import TYPE_CHECKING

from eigencode.base.progress import clock
from eigencode.base.text import printable
from eigencode.study.order import ordered
from eigencode.study.plan import Cell
from eigencode.study.step import Step

if TYPE_CHECKING:
    from rich.text import Text


class Live:
    """Told about every event of a run (`study.executor.Watch`); one line is left for each step of a second or more.

    `progress.shown(live)` keeps another line in sight.  Steps in this process draw their own bar below it; those of
    other processes cannot, so it shows how long they have been running.  The time left is that of the steps to come,
    each taken to be as long as the finished ones of its kind.
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
        """Seconds to go; None while nothing is known about some kind of step."""
        total, now = 0.0, time.monotonic()
        for key, step in self.waiting.items():
            if step.name not in self.took:
                return None
            spent = now - self.running.get(key, now)
            total += max(mean(self.took[step.name]) - spent, 0.0)
        return total / self.workers

    def line(self) -> str:
        """The line that moves."""
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
    """Which model a step belongs to, by key, for messages."""
    return {s.key: f"{printable(c.model, 60)}, seed {c.seed}" for c in cells for s in ordered([c.step])}
