"""Run steps after their inputs, here or in workers; a failure stops only steps that depend on it."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from eigencode.base.errors import EigencodeError
from eigencode.study._attempt import DIED, Ended
from eigencode.study._claim import Claims
from eigencode.study._engine import Engine, Here
from eigencode.study._order import Queue, chains, ordered
from eigencode.study._workers import engine
from eigencode.study.config import Jobs
from eigencode.study.step import Step
from eigencode.study.store import Store, readable_write_errors

FIRST_LOOK_S, LAST_LOOK_S = 0.1, 5.0
"""Seconds between two looks at steps of other runs, at first and after a while."""

SAID_AFTER_S = 1.0
"""A run says that it only waits when two looks are this many seconds apart."""

Watch = Callable[[str, Step, float, int, int], None]
"""Called as watch(event, step, seconds, done, total) with event "start", "cached", "done", "failed", "skipped", or
"waiting" for a step that another run computes, "idle" when only such steps are left."""


@dataclass
class Outcome:
    """The steps of a run that were done, found in the store, failed or skipped.

    `renewed`: why results that the store had did not count, by key; see `Store.doubt`.
    """

    done: list[Step] = field(default_factory=list)
    cached: list[Step] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[Step] = field(default_factory=list)
    renewed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True if every step is finished."""
        return not self.failed and not self.skipped


def execute(
    goals: list[Step],
    store: Store,
    workers: int | str = 1,
    watch: Watch | None = None,
    *,
    jobs: Jobs | None = None,
    leave_running: bool = False,
    order: random.Random | None = None,
) -> Outcome:
    """Run the goals and all steps they depend on, except those that the store already has.

    A damaged result is computed again; results made from it are too, if that gives it other bits.

    Several runs may work on one store at once: a step that another run computes is left to it (`study._claim`), others
    are done meanwhile, and its result is taken when it appears.

    Args:
        workers: 1 runs the steps in this process with all of its threads; N > 1 or "local:N" starts N processes, which
            share the threads evenly; "slurm:N" (pbs, sge, lsf) starts N jobs; "tcp://HOST:PORT" or
            "file:SCHEDULER.json" uses the workers of a Dask scheduler.  If a worker dies, its step is tried once more.
        jobs: what to ask the batch system for.
        leave_running: an interrupted run lets the workers of an existing Dask finish the steps they have begun.
        order: draws the order of steps that may start, so that several processes rarely try the same one; by default
            it is that of the study, and with workers the longest chain of waiting steps comes first.
    """
    began, steps = time.monotonic(), ordered(goals)
    missing = _unsettled(steps, store)
    with engine(workers if missing else 1, jobs, leave_running) as chosen, Claims(store.root / "claims") as claims:
        run = _Run(steps, missing, store, claims, chosen, watch, order)
        try:
            run.finish()
        finally:
            run.stop()
    run.outcome.seconds = time.monotonic() - began
    return run.outcome


def _unsettled(steps: list[Step], store: Store) -> list[Step]:
    """Steps missing in the store and all steps that depend on them, whose inputs may change."""
    found: dict[str, Step] = {}
    for step in steps:
        if not store.has(step) or any(s.key in found for s in step.inputs()):
            found[step.key] = step
    return list(found.values())


class _Run:
    """State of one run: steps that wait, run here, and run elsewhere."""

    def __init__(
        self,
        steps: list[Step],
        missing: list[Step],
        store: Store,
        claims: Claims,
        chosen: Engine,
        watch: Watch | None,
        order: random.Random | None,
    ) -> None:
        self.outcome = Outcome()
        self.steps, self.store, self.claims, self.engine, self.watch = steps, store, claims, chosen, watch
        self.unavailable: set[str] = set()
        self.running: dict[str, Step] = {}
        self.elsewhere: dict[str, Step] = {}
        self.died: dict[str, Step] = {}
        self.again: list[Step] = []
        self.queue = Queue(missing, self.urgency(missing, order))

    def urgency(self, missing: list[Step], order: random.Random | None) -> dict[str, float]:
        """What makes a step start before others: chance, the steps that wait for it, or nothing but its place."""
        if order is not None:
            return {s.key: order.random() for s in missing}
        if isinstance(self.engine, Here) or not missing:
            return {}
        waiting, took = {s.key for s in missing}, dict[str, list[float]]()
        for known in (s for s in self.steps if s.key not in waiting):
            took.setdefault(known.name, []).append(self.store.meta(known).get("seconds", 0.0))
        return chains(missing, {name: sum(those) / len(those) for name, those in took.items()})

    def finish(self) -> None:
        """Run until every step has ended."""
        for known in (s for s in self.steps if s not in self.queue):
            self.outcome.cached.append(known)
            self.notify("cached", known)
        pause = FIRST_LOOK_S
        while self.queue:
            while self.again and self.engine.has_room():
                self.begin(self.again.pop())
            while self.engine.has_room() and (step := self.queue.next()) is not None:
                self.start(step)
            before = len(self.elsewhere)
            if self.running or not self.engine.has_room():
                for step, ended in self.engine.ended(pause if self.elsewhere else None):
                    self.end_of(step, ended)
            if self.elsewhere and not self.running:
                if pause / 2 < SAID_AFTER_S <= pause:
                    self.notify("idle", next(iter(self.elsewhere.values())))
                time.sleep(pause)
            for step in tuple(self.elsewhere.values()) if self.engine.has_room() else ():
                if self.engine.has_room():
                    self.start(step)
            pause = min(2 * pause, LAST_LOOK_S) if len(self.elsewhere) == before else FIRST_LOOK_S
        self.tidy()  # last: a run beside this one may have been killed meanwhile

    def tidy(self) -> None:
        """Delete what a run left that was killed after it had finished a step."""
        here = {p.name for p in self.store.root.glob("scratch/*")} | {p.stem for p in self.store.root.glob("claims/*")}
        for step in self.outcome.cached if here else ():
            with suppress(OSError):
                if step.key in here and self.claims.take(step.key):
                    self.store.sweep(step, everything=True)
            self.claims.release(step.key)

    def start(self, step: Step) -> None:
        """Start a step whose inputs have ended, unless it is there, cannot run, or another run has it."""
        if why := self.store.doubt(step):
            self.outcome.renewed[step.key] = f"{step.describe()}: {why}"
        if self.store.has(step):
            self.known(step)
            return
        if any(s.key in self.unavailable for s in step.inputs()):
            self.unavailable.add(step.key)
            self.outcome.skipped.append(step)
            self.ended(step, "skipped")
            return
        try:
            with readable_write_errors(step, OSError):
                mine = self.claims.take(step.key)
        except EigencodeError as error:
            self.record(step, str(error), 0.0)
            return
        if self.store.has(step):  # another run has finished it just now
            self.known(step)
        elif not mine:
            if step.key not in self.elsewhere:
                self.elsewhere[step.key] = step
                self.notify("waiting", step)
        else:
            self.begin(step)

    def begin(self, step: Step) -> None:
        """Start a step whose claim this run holds."""
        self.elsewhere.pop(step.key, None)
        self.running[step.key] = step
        self.notify("start", step)
        self.engine.start(step, self.store, self.claims.number(step.key))

    def known(self, step: Step) -> None:
        """Take a result that is there."""
        self.outcome.cached.append(step)
        self.ended(step, "cached")

    def end_of(self, step: Step, ended: Ended) -> None:
        """Record how a step has ended; one whose worker has died is tried once more."""
        del self.running[step.key]
        if ended.died:
            mine = self.recover(step)
            if mine and step.key not in self.died:
                self.died[step.key] = step
                self.again.append(step)
                return
            ended = Ended(ended.error or DIED, elsewhere=not mine)
        elif ended.taken:
            self.claims.forget(step.key)
        if ended.elsewhere:
            self.claims.forget(step.key)
            self.elsewhere[step.key] = step
            self.notify("waiting", step)
        else:
            self.record(step, ended.error, ended.seconds)

    def recover(self, step: Step) -> bool:
        """Take back the claim on a step whose worker has ended, and delete half results; False if others have it."""
        self.store.sweep(step)
        number = self.claims.number(step.key)
        with suppress(OSError):
            return any(self.claims.follow(step.key, n) for n in (number, number + 1))
        return True

    def record(self, step: Step, error: str | None, seconds: float) -> None:
        """Record the end of a step that was tried here."""
        if error is None:
            self.outcome.done.append(step)
        else:
            self.outcome.failed[step.key] = f"{step.describe()}: {error}"
            self.unavailable.add(step.key)
        self.ended(step, "done" if error is None else "failed", seconds)

    def ended(self, step: Step, event: str, seconds: float = 0.0) -> None:
        """A step needs nothing any more: those that wait for it may start."""
        self.elsewhere.pop(step.key, None)
        self.claims.release(step.key)
        self.notify(event, step, seconds)
        self.queue.done(step)

    def notify(self, event: str, step: Step, seconds: float = 0.0) -> None:
        found = self.outcome
        finished = len(found.done) + len(found.cached) + len(found.failed) + len(found.skipped)
        if self.watch is not None:
            self.watch(event, step, seconds, finished, len(self.steps))

    def stop(self) -> None:
        """End all steps at once; those that run are left as after a kill, for the next run to go on from."""
        stopped = self.engine.stop()
        for step in self.running.values():
            if stopped:
                self.recover(step)
            else:
                self.claims.forget(step.key)
