"""Run steps, inputs first, here or in a pool of processes; a failed step stops only what needs it."""

import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process

from eigencode.base.errors import EigencodeError, EigencodeWarning
from eigencode.base.flush import flushing
from eigencode.base.progress import quiet
from eigencode.study.provenance import provenance
from eigencode.study.step import Inputs, Step, ordered
from eigencode.study.store import Store

Watch = Callable[[str, Step, float, int, int], None]
"""Called as watch(event, step, seconds, done, total) with event "start", "cached", "done", "failed" or "skipped"."""


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
        goals: the steps whose results are wanted.
        store: where results are looked up and kept.
        workers: 1 runs in this process with all of its threads; more runs that many processes, which share the
            machine's cores evenly.
        watch: told about every event.
    """
    began = time.monotonic()
    outcome = Outcome()
    waiting = ordered(goals)
    total = len(waiting)

    def tell(event: str, step: Step, seconds: float = 0.0) -> None:
        finished = len(outcome.done) + len(outcome.cached) + len(outcome.failed) + len(outcome.skipped)
        if watch is not None:
            watch(event, step, seconds, finished, total)

    def settle(step: Step, error: str | None, seconds: float) -> None:
        if error is None:
            outcome.done.append(step)
            tell("done", step, seconds)
        else:
            outcome.failed[step.key] = f"{step.describe()}: {error}"
            tell("failed", step, seconds)

    for step in [s for s in waiting if store.has(s)]:
        outcome.cached.append(step)
        waiting.remove(step)
        tell("cached", step)
    if workers <= 1:
        for step in waiting:
            if not _blocked(step, outcome):
                tell("start", step)
                settle(step, *_attempt(step, store))
            else:
                outcome.skipped.append(step)
                tell("skipped", step)
    elif waiting:
        _pool(waiting, store, workers, outcome, tell, settle)
    outcome.seconds = time.monotonic() - began
    return outcome


def _pool(
    waiting: list[Step],
    store: Store,
    workers: int,
    outcome: Outcome,
    tell: Callable[[str, Step], None],
    settle: Callable[[Step, str | None, float], None],
) -> None:
    """One pool per worker, so that a process that dies takes no other step with it."""
    import torch

    threads = max(1, torch.get_num_threads() // workers)
    free: list[ProcessPoolExecutor] = []
    running: dict[Future[tuple[str | None, float]], tuple[Step, ProcessPoolExecutor]] = {}
    try:
        with _environment_of_workers(threads):
            while waiting or running:
                for step in list(waiting):
                    unfinished = {s.key for s in waiting} | {s.key for s, _ in running.values()}
                    if _blocked(step, outcome):
                        waiting.remove(step)
                        outcome.skipped.append(step)
                        tell("skipped", step)
                    elif len(running) < workers and not any(s.key in unfinished for s in step.inputs()):
                        waiting.remove(step)
                        worker = free.pop() if free else ProcessPoolExecutor(1, get_context("spawn"), _as_worker)
                        running[worker.submit(_quietly, step, store, threads)] = (step, worker)
                        tell("start", step)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step, worker = running.pop(future)
                    broken = future.exception()
                    free += [] if isinstance(broken, BrokenProcessPool) else [worker]
                    settle(step, *((_died(broken), 0.0) if broken else future.result()))
    finally:
        for worker in (*free, *(w for _, w in running.values())):
            worker.shutdown(cancel_futures=True)


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


class _environment_of_workers:
    """What workers read before they import anything: their number of threads; and that large tensors may lie on huge
    pages (torch's own setting, off unless asked for), which a training step touches several of anew."""

    def __init__(self, threads: int) -> None:
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        huge_pages = {"THP_MEM_ALLOC_ENABLE": os.environ.get("THP_MEM_ALLOC_ENABLE", "1")}
        self.wanted = {**dict.fromkeys(names, str(threads)), **huge_pages}
        self.before = {n: os.environ.get(n) for n in self.wanted}

    def __enter__(self) -> None:
        os.environ.update(self.wanted)

    def __exit__(self, *error: object) -> None:
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _blocked(step: Step, outcome: Outcome) -> bool:
    lost = {s.key for s in outcome.skipped} | set(outcome.failed)
    return any(s.key in lost for s in step.inputs())


def _quietly(step: Step, store: Store, threads: int) -> tuple[str | None, float]:
    import torch

    torch.set_num_threads(threads)
    with quiet():
        return _attempt(step, store)


def _attempt(step: Step, store: Store) -> tuple[str | None, float]:
    """Run one step; (None, seconds) if it is finished, (what went wrong, seconds) if not."""
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
