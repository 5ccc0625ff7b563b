"""Run steps after their inputs, in this process or in several; a failure stops only steps that depend on it."""

import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from typing import Any

from eigencode.base.errors import EigencodeError, EigencodeWarning
from eigencode.base.flush import flushing
from eigencode.base.progress import quiet
from eigencode.study._order import Queue, ordered
from eigencode.study._provenance import elsewhere, provenance
from eigencode.study.step import Inputs, Step
from eigencode.study.store import Store

Watch = Callable[[str, Step, float, int, int], None]
"""Called as watch(event, step, seconds, done, total) with event "start", "cached", "done", "failed" or "skipped"."""

Ended = tuple[str | None, float]
"""(error message or None, seconds) of a step that has ended."""


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

    Args:
        workers: 1 runs the steps in this process with all of its threads; more start that many processes, which share
            the threads evenly.  Each is a pool of its own, so that a process that dies fails only its own step.
    """
    began = time.monotonic()
    outcome = Outcome()
    steps = ordered(goals)
    unavailable: set[str] = set()
    free: list[Executor] = []
    running: dict[Future[Ended], tuple[Step, Executor]] = {}
    run, worker = (_attempt, _InThisProcess) if workers <= 1 else (_attempt_in_worker, _worker_process)

    def notify(event: str, step: Step, seconds: float = 0.0) -> None:
        finished = len(outcome.done) + len(outcome.cached) + len(outcome.failed) + len(outcome.skipped)
        if watch is not None:
            watch(event, step, seconds, finished, len(steps))

    def record_end(step: Step, error: str | None, seconds: float) -> None:
        if error is None:
            outcome.done.append(step)
        else:
            outcome.failed[step.key] = f"{step.describe()}: {error}"
            unavailable.add(step.key)
        notify("done" if error is None else "failed", step, seconds)

    def record_known(step: Step) -> None:
        outcome.cached.append(step)
        notify("cached", step)

    queue = Queue(_unsettled(steps, store))
    for known in (s for s in steps if s not in queue):
        record_known(known)
    try:
        with _worker_environment(workers):
            while queue:
                while len(running) < max(1, workers) and (step := queue.next()) is not None:
                    if why := store.doubt(step):
                        outcome.renewed[step.key] = f"{step.describe()}: {why}"
                    if store.has(step):
                        record_known(step)
                        queue.done(step)
                    elif any(s.key in unavailable for s in step.inputs()):
                        unavailable.add(step.key)
                        outcome.skipped.append(step)
                        notify("skipped", step)
                        queue.done(step)
                    else:
                        notify("start", step)
                        pool = free.pop() if free else worker()
                        running[pool.submit(run, step, store)] = (step, pool)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    ended, pool = running.pop(future)
                    broken = future.exception()
                    free += [] if isinstance(broken, BrokenProcessPool) else [pool]
                    record_end(ended, *((_died(broken), 0.0) if broken else future.result()))
                    queue.done(ended)
    finally:
        for left in (*free, *(w for _, w in running.values())):
            left.shutdown(cancel_futures=True)
    outcome.seconds = time.monotonic() - began
    return outcome


def _unsettled(steps: list[Step], store: Store) -> list[Step]:
    """The steps that the store does not have, and those that depend on them: their inputs may become others."""
    found: dict[str, Step] = {}
    for step in steps:
        if not store.has(step) or any(s.key in found for s in step.inputs()):
            found[step.key] = step
    return list(found.values())


class _InThisProcess(Executor):
    """An executor that runs each call immediately in this process."""

    def submit(self, run: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(run(*given, **more))
        return future


def _worker_process() -> ProcessPoolExecutor:
    """A pool of one worker process."""
    return ProcessPoolExecutor(1, get_context("spawn"), _set_up_worker)


def _set_up_worker() -> None:
    """Set up a worker to end without a traceback on Ctrl-C, and to exit when the main process ends.

    The main process reports interrupts; without it a worker would wait for work for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _died(error: BaseException) -> str:
    if isinstance(error, BrokenProcessPool):
        return "its process died; if the system stopped it for lack of memory, use fewer --workers or a smaller study"
    return f"{type(error).__name__}: {error}"


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


def _attempt_in_worker(step: Step, store: Store) -> Ended:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with quiet():
        return _attempt(step, store)


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
