"""Workers for the steps of a run: processes of this machine, jobs of a batch system, or an existing Dask."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigencode.base.ending import say
from eigencode.base.errors import EigencodeError, InputError, nearest
from eigencode.study._engine import Engine, Here
from eigencode.study.config import Jobs

if TYPE_CHECKING:
    from distributed import Client

JOBS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster"}
"""Batch systems, and the classes of dask-jobqueue that start jobs in them."""

GPUS = {"slurm": "--gres=gpu:{}", "sge": "-l gpu={}", "lsf": '-gpu "num={}"'}
"""How a job of a batch system asks for GPUs."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

WANTED = "local:N, tcp://HOST:PORT, file:SCHEDULER.json, slurm:N, pbs:N, sge:N or lsf:N"


@contextmanager
def engine(where: int | str, jobs: Jobs | None = None, leave_running: bool = False) -> Iterator[Engine]:
    """Workers for the steps of a run, which end with the block unless they were there before.

    Args:
        where: where the steps run.  1: in this process.  "local:N" or N: in N processes of this machine, which share
            its threads evenly.  "slurm:N" (pbs, sge, lsf): in N jobs of the batch system.  "tcp://HOST:PORT" or
            "file:SCHEDULER.json": in the workers of a running Dask scheduler.
        jobs: what to ask the batch system for.
        leave_running: an interrupted run lets the workers of an existing Dask finish the steps they have begun.

    Raises:
        InputError: none of these, or no scheduler answers there.

    >>> with engine(1) as workers:
    ...     workers.has_room()
    True
    """
    kind, number = _parsed(where)
    if leave_running and kind != "scheduler":
        wanted = "the address of a Dask scheduler, whose workers can be left running"
        raise InputError("these workers end with the run", got=where, wanted=wanted)
    if kind in JOBS and find_spec("dask_jobqueue") is None:
        fix = 'pip install "eigencode[cluster]"'
        raise InputError(f"{where} needs the package dask-jobqueue", got="not installed", fix=fix)
    if kind == "here":
        yield Here()
        return
    from eigencode.study._dask import Workers

    with ExitStack() as stack:
        stack.enter_context(_settings())
        if kind == "scheduler":
            client, own = stack.enter_context(_connected(str(where))), None
        else:
            started = _local(number) if kind == "local" else _jobs(kind, number, jobs or Jobs())
            client, own = stack.enter_context(started)
        if find_spec("bokeh") and "dashboard" in client.scheduler_info()["services"]:
            say(f"dashboard: {client.dashboard_link}")
        yield Workers(client, own, leave_running)


def _parsed(where: int | str) -> tuple[str, int]:
    """Kind of workers and their number."""
    if isinstance(where, int):
        return ("local", where) if where > 1 else ("here", 1)
    if re.fullmatch(r"(tcp|tls)://.+:\d+|file:.+", where):
        return "scheduler", 0
    found = re.fullmatch(r"(\w+)(?::([1-9]\d{0,4}))?", where)
    if found is None or found[1] not in {"local", *JOBS} or (found[1] == "local" and not found[2]):
        fix = nearest(where, ["local:2", *(f"{name}:2" for name in JOBS)])
        raise InputError("these are no workers", got=where, wanted=WANTED, fix=fix)
    return found[1], int(found[2] or 1)


@contextmanager
def _settings() -> Iterator[None]:
    """Settings of Dask: the run decides about a step whose worker died, no disk is used, and Dask says nothing."""
    import logging

    import dask

    levels = dict.fromkeys(("distributed", "distributed.client", "distributed.worker", "tornado"), "critical")
    chosen = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.work-stealing": False,
        "distributed.worker.profile.enabled": False,
        "distributed.diagnostics.nvml": False,
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREADS, "1"),
        "logging": levels,
    }
    with dask.config.set(chosen):
        import distributed  # noqa: F401

        loggers = [logging.getLogger(name) for name in levels]
        before = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before):
                logger.setLevel(level)


@contextmanager
def _local(number: int) -> Iterator[tuple["Client", Any]]:
    """Processes of this machine that end with this one, however that ends."""
    import logging
    import shutil
    import tempfile

    from distributed import Client, LocalCluster

    from eigencode.base.process import has_ended, this_process

    home = Path(tempfile.gettempdir())
    for left in home.glob("eigencode-*-*"):
        if has_ended(left.name.removeprefix("eigencode-")):
            shutil.rmtree(left, ignore_errors=True)
    folder = home / f"eigencode-{this_process()}"
    with _environment(number):
        made = LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=None,
            silence_logs=logging.CRITICAL,
            local_directory=str(folder),
        )
    try:
        shutil.rmtree(folder, ignore_errors=True)  # nothing is kept in it
        with Client(made) as client:
            yield client, made
    finally:
        with suppress(OSError, TimeoutError):
            made.close(timeout=5)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _environment(workers: int) -> Iterator[None]:
    """Set the environment variables that workers read at start: number of threads, and huge pages for large tensors.

    Huge pages are a setting of torch, off by default; a training step allocates several large tensors anew.
    """
    import torch

    threads = str(max(1, torch.get_num_threads() // workers))
    wanted = {**dict.fromkeys(THREADS, threads), **_huge_pages()}
    before = {n: os.environ.get(n) for n in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]
        os.environ.update({n: v for n, v in before.items() if v is not None})


def _huge_pages() -> dict[str, str]:
    return {"THP_MEM_ALLOC_ENABLE": os.environ.get("THP_MEM_ALLOC_ENABLE", "1")}


@contextmanager
def _jobs(kind: str, number: int, jobs: Jobs) -> Iterator[tuple["Client", Any]]:
    """Jobs of a batch system, with one worker each, cancelled at the end of the block."""
    from distributed import Client

    with getattr(_dask_jobqueue(), JOBS[kind])(**job_settings(kind, jobs)) as made:
        made.scale(jobs=number)
        with Client(made) as client:
            yield client, made


def _dask_jobqueue() -> Any:
    """The package dask-jobqueue, without the handler of Ctrl-C that its import installs."""
    before = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    if signal.getsignal(signal.SIGINT) != before:
        signal.signal(signal.SIGINT, before)
    return dask_jobqueue


def job_settings(kind: str, jobs: Jobs) -> dict[str, Any]:
    """The arguments of dask-jobqueue for these jobs."""
    environment = {**dict.fromkeys(THREADS, str(jobs.cores)), **_huge_pages()}
    shown = find_spec("bokeh") is not None
    found: dict[str, Any] = {
        "cores": jobs.cores,
        "processes": 1,
        "silence_logs": "critical",
        "memory": jobs.memory,
        "job_name": "eigencode",
        "job_script_prologue": [*(f"export {n}={v}" for n, v in environment.items()), *jobs.setup],
        "job_extra_directives": list(jobs.directives),
        "scheduler_options": {"dashboard": shown, "dashboard_address": ":0"},
    }
    if jobs.gpus and kind == "pbs":
        found["resource_spec"] = f"select=1:ncpus={jobs.cores}:mem={jobs.memory}:ngpus={jobs.gpus}"
    elif jobs.gpus:
        found["job_extra_directives"].append(GPUS[kind].format(jobs.gpus))
    account = "account" if kind in ("slurm", "pbs") else "project"
    chosen = {"queue": jobs.queue, account: jobs.account, "walltime": jobs.walltime, "interface": jobs.interface}
    chosen["log_directory"] = jobs.logs
    return found | {name: value for name, value in chosen.items() if value}


@contextmanager
def _connected(where: str) -> Iterator["Client"]:
    """The client of a running scheduler, given by its address or its file."""
    from distributed import Client

    path = where.removeprefix("file:")
    wanted = "a running `dask scheduler`"
    if path != where and not Path(path).is_file():
        raise InputError("there is no such scheduler file", got=path, wanted=f"{wanted} --scheduler-file {path}")
    try:
        client = Client(scheduler_file=path) if path != where else Client(where, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError("no Dask scheduler answers", got=f"{where}: {error}", wanted=wanted) from None
    try:
        yield client
    finally:
        with suppress(OSError, EigencodeError):
            client.close(timeout=5)
