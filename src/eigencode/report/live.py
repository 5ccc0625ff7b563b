"""The line that says how a run goes: which steps are running, how many are finished, about how long it will take."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import mean

from eigencode.base.progress import clock, heading, write_line
from eigencode.base.text import printable
from eigencode.study.order import ordered
from eigencode.study.plan import Cell
from eigencode.study.step import Step


class Live:
    """Told about every event of a run (`study.executor.Watch`); one line is left for each step of a second or more.

    On a terminal another line moves.  Steps in this process draw their own bar behind it; those of other processes
    cannot, so it shows how long they have been running.  The time left is that of the steps to come, each taken to be
    as long as the finished ones of its kind.
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
                if sys.stderr.isatty():
                    write_line("")
                what = f"{self.owners[step.key]}: {step.describe()}"
                sys.stderr.write(f"[{done}/{total}] {event} {what}  {seconds:.1f} s\n")
            self.show()

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

    def show(self) -> None:
        """Draw the line, on a terminal."""
        if not sys.stderr.isatty():
            return
        with self.lock:
            text = self.line() if self.running else ""
            heading(text if self.workers == 1 else "")
            write_line(text)

    @contextmanager
    def ticking(self, every: float = 1.0) -> Iterator["Live"]:
        """While other processes work the line moves by itself; whatever happens, it is gone afterwards."""
        stop = threading.Event()

        def tick() -> None:
            while not stop.wait(every):
                self.show()

        thread = threading.Thread(target=tick, daemon=True) if self.workers > 1 and sys.stderr.isatty() else None
        if thread is not None:
            thread.start()
        try:
            yield self
        finally:
            stop.set()
            if thread is not None:
                thread.join()
            self.running.clear()
            self.show()


def owners(cells: list[Cell]) -> dict[str, str]:
    """Which model a step belongs to, by key, for messages."""
    return {s.key: f"{printable(c.model, 60)}, seed {c.seed}" for c in cells for s in ordered([c.step])}
