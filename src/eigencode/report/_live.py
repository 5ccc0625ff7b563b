"""Progress line of a run: running steps, number of finished steps, estimated time left."""

import threading
import time
from statistics import mean
from typing import TYPE_CHECKING

from eigencode.base.ending import say
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
        self.elsewhere: set[str] = set()
        self.took: dict[str, list[float]] = {}
        self.lock = threading.RLock()
        self.counted = (0, len(self.waiting))

    def __call__(self, event: str, step: Step, seconds: float, done: int, total: int) -> None:
        with self.lock:
            self.counted = (done, total)
            if event == "waiting":
                self.elsewhere.add(step.key)
            elif event != "idle":
                self.elsewhere.discard(step.key)
            if event == "start":
                self.running[step.key] = time.monotonic()
                self.workers = max(self.workers, len(self.running))
            elif event not in ("waiting", "idle"):
                self.running.pop(step.key, None)
                self.waiting.pop(step.key, None)
            if event == "done":
                self.took.setdefault(step.name, []).append(seconds)
            what = f"{self.owners[step.key]}: {step.describe()}"
            if event in ("failed", "skipped") or (event == "done" and seconds >= 1):
                say(f"[{done}/{total}] {event} {what}  {seconds:.1f} s")
            elif event == "idle":
                say(f"[{done}/{total}] {self.of_others()}")

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
        ] or [self.of_others()]
        text = f"[{self.counted[0]}/{self.counted[1]}] {', '.join(doing)}"
        return text if left is None or left < 2 else f"{text}; about {clock(left)} left"

    def of_others(self) -> str:
        """What this run waits for if it has nothing else to do."""
        n = len(self.elsewhere)
        return f"waiting for {n} step{'s' * (n != 1)} of another run" if n else ""

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
