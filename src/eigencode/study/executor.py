"""Run steps after their inputs, in this process or in several; a failure stops only steps that depend on it."""

import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from eigencode.base.errors import EigencodeError, EigencodeWarning
from eigencode.base.flush import flushing
from eigencode.study._claim import Claims
from eigencode.study._order import Queue, ordered
from eigencode.study._provenance import elsewhere, provenance
from eigencode.study._worker import DIED, Ended, Worker
from eigencode.study.step import Inputs, Step
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


def execute(goals: list[Step], store: Store, workers: int = 1, watch: Watch | None = None) -> Outcome:
    """Run the goals and all steps they depend on, except those that the store already has.

    A damaged result is computed again; results made from it are too, if that gives it other bits.

    Several runs may work on one store at once: a step that another run computes is left to it (`study._claim`), others
    are done meanwhile, and its result is taken when it appears.

    Args:
        workers: 1 runs the steps in this process with all of its threads; more start that many processes, which share
            the threads evenly.  A process that dies fails only its own step.
    """
    began = time.monotonic()
    with Claims(store.root / "claims") as claims, _worker_environment(workers):
        run = _Run(ordered(goals), store, claims, workers, watch)
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

    def __init__(self, steps: list[Step], store: Store, claims: Claims, workers: int, watch: Watch | None) -> None:
        self.outcome = Outcome()
        self.steps, self.store, self.claims, self.workers, self.watch = steps, store, claims, workers, watch
        self.unavailable: set[str] = set()
        self.free: list[Worker] = []
        self.running: dict[Connection, tuple[Step, Worker]] = {}
        self.elsewhere: dict[str, Step] = {}
        self.queue = Queue(_unsettled(steps, store))

    def finish(self) -> None:
        """Run until every step has ended."""
        for known in (s for s in self.steps if s not in self.queue):
            self.outcome.cached.append(known)
            self.notify("cached", known)
        pause = FIRST_LOOK_S
        while self.queue:
            while self.has_room() and (step := self.queue.next()) is not None:
                self.start(step)
            before = len(self.elsewhere)
            for ended in wait(list(self.running), pause if self.elsewhere else None) if self.running else ():
                step, worker = self.running.pop(ended)  # type: ignore[call-overload]
                self.end_of(step, worker)
            if self.elsewhere and not self.running:
                if pause / 2 < SAID_AFTER_S <= pause:
                    self.notify("idle", next(iter(self.elsewhere.values())))
                time.sleep(pause)
            for step in tuple(self.elsewhere.values()) if self.has_room() else ():
                if self.has_room():
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

    def has_room(self) -> bool:
        """True if one more step can run here."""
        return len(self.running) < max(1, self.workers)

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
        elif self.workers <= 1:
            self.notify("start", step)
            self.record(step, *_attempt(step, self.store))
        else:
            self.notify("start", step)
            worker = self.free.pop() if self.free else Worker(_attempt)
            try:
                worker.send(step, self.store)
            except Exception as error:  # it cannot be pickled
                self.free.append(worker)
                self.record(step, f"{type(error).__name__}: {error}", 0.0)
            else:
                self.running[worker.connection] = (step, worker)

    def known(self, step: Step) -> None:
        """Take a result that is there."""
        self.outcome.cached.append(step)
        self.ended(step, "cached")

    def end_of(self, step: Step, worker: Worker) -> None:
        """Record the end of a step in a worker, and what has become of the worker."""
        result = worker.result()
        if result is None:
            worker.stop()
            self.store.sweep(step)
        else:
            self.free.append(worker)
        self.record(step, *(result or (DIED, 0.0)))

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
        """End all workers at once; a step that runs is left as after a kill, for the next run to go on from."""
        for step, worker in self.running.values():
            worker.stop()
            self.store.sweep(step)
        for worker in self.free:
            worker.stop()


@contextmanager
def _worker_environment(workers: int) -> Iterator[None]:
    """Set the environment variables that workers read at start: number of threads, and huge pages for large tensors.

    Huge pages are a setting of torch, off by default; a training step allocates several large tensors anew.
    """
    import torch

    threads = str(max(1, torch.get_num_threads() // workers)) if workers > 1 else ""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    huge_pages = {"THP_MEM_ALLOC_ENABLE": os.environ.get("THP_MEM_ALLOC_ENABLE", "1")}
    wanted = {**dict.fromkeys(names, threads), **huge_pages} if threads else {}
    before = {n: os.environ.get(n) for n in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]
        os.environ.update({n: v for n, v in before.items() if v is not None})


def _attempt(step: Step, store: Store) -> Ended:
    """Run one step, unless it is finished already."""
    began = time.monotonic()
    if store.has(step):
        return None, 0.0
    meta = {
        "name": step.name,
        "version": step.version,
        "label": step.describe(),
        "settings": step.settings(),
        "code": step.code,
        "inputs": {s.key: store.content(s) for s in step.inputs()},
    }
    try:
        folders = {s.key: store.checked(s.key) for s in step.inputs()}
        with store.writing(step, meta) as folder, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EigencodeWarning)
            if earlier := elsewhere(store.begun(step, here := provenance()), here):
                meta["resumed_from"] = earlier
            with flushing():  # before the thread pool of torch starts: its threads inherit the setting
                step.run(folder, Inputs(folders, store.scratch(step)))
            seconds = time.monotonic() - began
            said = sorted({str(w.message) for w in caught if issubclass(w.category, EigencodeWarning)})
            meta |= {"seconds": seconds, "warnings": said, "provenance": here}
    except (Exception, SystemExit) as error:  # a module of somebody's own may call sys.exit
        if store.has(step):  # another process has finished the same step meanwhile and removed its scratch folder
            return None, time.monotonic() - began
        if isinstance(error, EigencodeError):
            return str(error), time.monotonic() - began
        # any other error is a defect of the step: the other steps go on, and the report shows the traceback
        return traceback.format_exc(limit=-6), time.monotonic() - began
    return None, seconds
