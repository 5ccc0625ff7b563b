"""Steps of a run in the workers of a Dask scheduler: one at a time in each, chosen by the run."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker, Status

from eigencode.base.ending import say
from eigencode.base.errors import EigencodeError
from eigencode.study._attempt import DIED, Ended
from eigencode.study._engine import Engine
from eigencode.study._remote import appears, perform, request
from eigencode.study.step import Step
from eigencode.study.store import Store

LOOK_S = 0.5
"""Seconds between two looks at the workers that are there."""

SETTLED_S = 2.0
"""Age of a worker that started during the run before it gets a step: one that dies before would not be restarted."""

LONELY_S = 10.0
"""Seconds without a worker after which the run says that it waits for one."""

GONE = "the Dask scheduler has ended; every finished step is kept, the same command goes on from here"


@dataclass(frozen=True)
class Sent:
    """A step that was sent to a worker; without a `future` it has failed before."""

    step: Step
    store: Store
    worker: str
    future: Future | None
    error: str = ""


class Workers(Engine):
    """Workers of a Dask scheduler; `own`: the cluster, if it was started for this run."""

    def __init__(self, client: Client, own: Any, leave_running: bool) -> None:
        self.client, self.own, self.leave_running = client, own, leave_running
        self._sent: dict[str, Sent] = {}
        self._ready: SimpleQueue[str] = SimpleQueue()
        self._workers: set[str] = set()
        self._seen: dict[str, float] = {}
        self._looked, self._alone_since, self._told = -1e9, -1e9, False
        self._look()

    def has_room(self) -> bool:
        self._look()
        return len(self._workers) > len(self._sent)

    def start(self, step: Step, store: Store, claim: int) -> None:
        busy = {sent.worker for sent in self._sent.values()}
        worker, key = min(self._workers - busy), f"{step.key}.{claim}"
        try:
            text = request(step, store, claim)
        except EigencodeError as error:
            self._sent[key] = Sent(step, store, worker, None, str(error))
            self._ready.put(key)
            return
        future = self.client.submit(perform, text, key=key, workers=[worker], pure=False)
        self._sent[key] = Sent(step, store, worker, future)
        future.add_done_callback(lambda _: self._ready.put(key))

    def ended(self, patience: float | None) -> list[tuple[Step, Ended]]:
        room, end = self.has_room(), time.monotonic() + (1e9 if patience is None else patience)
        found: list[tuple[Step, Ended]] = []
        while not found and time.monotonic() < end and (room or not self.has_room()):
            with suppress(Empty):
                found += self._answers(self._ready.get(timeout=min(LOOK_S, max(0.0, end - time.monotonic()))))
                while True:
                    found += self._answers(self._ready.get_nowait())
            found += self._lost()
        return found

    def stop(self) -> bool:
        sent, self._sent = list(self._sent.values()), {}
        futures = [s.future for s in sent if s.future is not None]
        if self.own is None and (self.leave_running or not futures):
            return not futures
        with suppress(OSError, RuntimeError, TimeoutError):
            if self.own is None:
                self.client.cancel(futures, force=True)
                self.client.run(
                    os._exit, 1, workers=[s.worker for s in sent], on_error="ignore"
                )  # nannies restart them
            else:
                for nanny in self.own.workers.values():
                    nanny.status = Status.closing_gracefully  # else it starts another process
                for pid in self._own_pids() or ():
                    os.kill(pid, signal.SIGKILL)
        return True

    def _answers(self, key: str) -> list[tuple[Step, Ended]]:
        """How a step ended, if it is still waited for."""
        sent = self._sent.pop(key, None)
        if sent is None:
            return []
        if sent.future is None:
            return [(sent.step, Ended(sent.error))]
        try:
            answer = Ended(**json.loads(sent.future.result(timeout=30)))
        except (KilledWorker, TimeoutError):  # or it died with the answer, after the step was finished
            return [(sent.step, self._died(sent))]
        except CancelledError:
            raise EigencodeError(GONE) from None
        except Exception as error:  # the worker cannot import this package, or answers no more
            return [(sent.step, Ended(f"{type(error).__name__}: {error}\n  worker: {sent.worker}"))]
        if answer.error is not None:
            answer = Ended(f"{answer.error}\n  worker: {sent.worker}", answer.seconds, answer.taken)
        elif not answer.elsewhere and not appears(sent.store.folder(sent.step).exists):
            answer = Ended(f"the store has no result although the worker {sent.worker} has finished the step")
        return [(sent.step, answer)]

    def _died(self, sent: Sent) -> Ended:
        self._workers.discard(sent.worker)
        self._seen.pop(sent.worker, None)
        return Ended(f"{DIED}\n  worker: {sent.worker}", died=True)

    def _look(self) -> None:
        """See which workers are there.

        Raises:
            EigencodeError: the scheduler is not there any more.
        """
        if (now := time.monotonic()) - self._looked < LOOK_S:
            return
        try:
            if self.client.status != "running":
                raise EigencodeError(GONE)
            there = set(self.client.nthreads())
        except (OSError, RuntimeError, TimeoutError, CancelledError):
            raise EigencodeError(GONE) from None
        first = not self._seen
        self._seen = {w: self._seen.get(w, now - SETTLED_S * first) for w in there}
        self._workers = {w for w, since in self._seen.items() if now - since >= SETTLED_S}
        self._looked = time.monotonic()
        if there or self._alone_since < 0:
            self._alone_since = now
        elif now - self._alone_since > LONELY_S and not self._told:
            self._told = True
            say("waiting for a worker; none has started yet, or all have ended")
            if self._own_pids() == []:
                raise EigencodeError(f"all workers {DIED.removeprefix('its process ')}")

    def _own_pids(self) -> list[int] | None:
        """The worker processes of a cluster on this machine; None if it is none."""
        nannies = list(self.own.workers.values()) if self.own else []
        return [n.pid for n in nannies if n.pid] if nannies and all(hasattr(n, "pid") for n in nannies) else None

    def _lost(self) -> list[tuple[Step, Ended]]:
        """The steps whose worker is not there any more."""
        self._look()
        gone = {key: sent for key, sent in self._sent.items() if sent.future and sent.worker not in self._workers}
        for key, sent in gone.items():
            if sent.future.status == "pending":  # type: ignore[union-attr]
                self._sent.pop(key)
                sent.future.cancel()  # type: ignore[union-attr]
        return [(s.step, self._died(s)) for k, s in gone.items() if k not in self._sent]
