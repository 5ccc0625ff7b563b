"""Processes of this machine, as /proc tells them, and a Dask scheduler with one worker."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def alive(pid: str) -> bool:
    """The process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[str]:
    """The processes that any thread of a process has started."""
    return [child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def until(there: Callable[[], bool], seconds: float = 250.0) -> None:
    """Wait until this is true."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def running_dask(folder: Path) -> "Iterator[tuple[subprocess.Popen, subprocess.Popen]]":
    """A scheduler and a worker in processes of their own; the scheduler's file is `scheduler.json` in the folder."""
    file = folder / "scheduler.json"
    paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    shared = ("--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard")

    def started(name: str, *words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *shared, *words]
        with (folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(command, env=os.environ | paths, cwd=folder, stdout=log, stderr=log)

    processes = [started("scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0")]
    try:
        until(file.exists)
        processes.append(started("worker", "--nthreads", "1", "--local-directory", str(folder / "dask")))
        yield processes[0], processes[1]
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)
