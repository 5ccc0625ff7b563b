"""Run steps, inputs first, here or in a pool of processes; a failed step stops only what needs it."""

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
from eigencode.study._provenance import provenance
from eigencode.study.step import Inputs, Step
from eigencode.study.store import Store

Watch = Callable[[str, Step, float, int, int], None]
"""Called as watch(event, step, seconds, done, total) with event "start", "cached", "done", "failed" or "skipped"."""

Ended = tuple[str | None, float]
"""What went wrong with a step, or None; and how many seconds it took."""


@dataclass
class Outcome:
    """What became of every step."""

    done: list[Step] = field(default_factory=list)
    cached: list[Step] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[Step] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Every step is finished."""
        return not self.failed and not self.skipped


def execute(goals: list[Step], store: Store, workers: int = 1, watch: Watch | None = None) -> Outcome:
    """Finish all steps the goals need that the store does not have yet.

    Args:
        workers: 1 runs in this process with all of its threads; more runs that many processes, which share the
            machine's cores evenly.  One pool per process, so that one that dies takes no other step with it.
    """
    began = time.monotonic()
    outcome = Outcome()
    steps = ordered(goals)
    lost: set[str] = set()
    free: list[Executor] = []
    running: dict[Future[Ended], tuple[Step, Executor]] = {}
    run, worker = (_attempt, _Here) if workers <= 1 else (_quietly, _process)

    def tell(event: str, step: Step, seconds: float = 0.0) -> None:
        finished = len(outcome.done) + len(outcome.cached) + len(outcome.failed) + len(outcome.skipped)
        if watch is not None:
            watch(event, step, seconds, finished, len(steps))

    def settle(step: Step, error: str | None, seconds: float) -> None:
        if error is None:
            outcome.done.append(step)
        else:
            outcome.failed[step.key] = f"{step.describe()}: {error}"
            lost.add(step.key)
        tell("done" if error is None else "failed", step, seconds)

    queue = Queue([s for s in steps if not store.has(s)])
    for known in (s for s in steps if s not in queue):
        outcome.cached.append(known)
        tell("cached", known)
    try:
        with _environment_of_workers(workers):
            while queue:
                while len(running) < max(1, workers) and (step := queue.next()) is not None:
                    if any(s.key in lost for s in step.inputs()):
                        lost.add(step.key)
                        outcome.skipped.append(step)
                        tell("skipped", step)
                        queue.done(step)
                    else:
                        tell("start", step)
                        chosen = free.pop() if free else worker()
                        running[chosen.submit(run, step, store)] = (step, chosen)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    ended, chosen = running.pop(future)
                    broken = future.exception()
                    free += [] if isinstance(broken, BrokenProcessPool) else [chosen]
                    settle(ended, *((_died(broken), 0.0) if broken else future.result()))
                    queue.done(ended)
    finally:
        for left in (*free, *(w for _, w in running.values())):
            left.shutdown(cancel_futures=True)
    outcome.seconds = time.monotonic() - began
    return outcome


class _Here(Executor):
    """Runs everything in this process, at once."""

    def submit(self, run: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(run(*given, **more))
        return future


def _process() -> ProcessPoolExecutor:
    """One process of its own."""
    return ProcessPoolExecutor(1, get_context("spawn"), _as_worker)


def _as_worker() -> None:
    """Ctrl-C ends a worker without a traceback (the main process speaks for all), and so does the main process's end,
    however it ends: a worker would wait for work for ever."""
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
def _environment_of_workers(workers: int) -> Iterator[None]:
    """What workers read before they import anything: their number of threads; and that large tensors may lie on huge
    pages (torch's own setting, off unless asked for), which a training step touches several of anew."""
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


def _quietly(step: Step, store: Store) -> Ended:
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
        "inputs": [s.key for s in step.inputs()],
    }
    folders = {s.key: store.folder(s) for s in step.inputs()}
    try:
        with store.writing(step, meta) as folder, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EigencodeWarning)
            with flushing():  # before the thread pool of torch starts: its threads are born with the setting
                step.run(folder, Inputs(folders, store.scratch(step)))
            seconds = time.monotonic() - began
            said = sorted({str(w.message) for w in caught if issubclass(w.category, EigencodeWarning)})
            meta |= {"seconds": seconds, "warnings": said, "provenance": provenance()}
    except Exception as error:
        if store.has(step):  # another process finished the same step meanwhile, and has tidied up after it
            return None, time.monotonic() - began
        if isinstance(error, EigencodeError):
            return str(error), time.monotonic() - began
        # anything else is a defect of the step; the others go on, and the report shows where it was
        return traceback.format_exc(limit=-6), time.monotonic() - began
    return None, seconds
