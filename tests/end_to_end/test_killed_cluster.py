"""Worker, scheduler or client are killed at random moments: the same results, and nothing is computed in vain."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from killed_cluster import __file__ as script, goals
from processes import alive, children, running_dask, until
from tiny import contents

from eigencode.study import Store, execute

MOMENTS = 10
"""Kills in each of the two tests."""


def client(store: Path, where: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(store), where]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def started(store: Path) -> int:
    return sum(p.read_text().count("start") for p in store.glob("log/*"))


def computed_in_vain(store: Path, killed: set[str]) -> list[str]:
    """Steps that were started more than once although nobody was killed who had started them."""
    found = []
    for log in store.glob("log/*"):
        starts = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("start")]
        found += [log.name for pid in starts[:-1] if pid not in killed]
    return found


def left_over() -> set[str]:
    return {p.name for p in Path(tempfile.gettempdir()).glob("eigencode-*")}


def finish_and_compare(store: Path, where: str, killed: set[str], folder: Path, before: set[str]) -> None:
    """Let a last run finish, and compare with a run that nobody disturbs."""
    assert client(store, where).wait(200) == 0
    undisturbed = Store(folder / "undisturbed")
    assert execute(goals(), undisturbed).ok
    assert contents(store) == contents(undisturbed.root)
    assert computed_in_vain(store, killed) == []
    assert not [*store.glob("claims/*"), *store.glob("scratch/*")]
    assert not any(map(alive, killed))
    assert left_over() <= before


def strike(run: "subprocess.Popen[bytes]", store: Path, draw: random.Random) -> bool:
    """Wait until the run computes, and a random while longer; False if it has ended before."""
    known = started(store)
    until(lambda: run.poll() is not None or started(store) > known)
    time.sleep(draw.uniform(0, 1.5))
    return run.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc to find the workers")
def test_workers_of_this_machine_and_their_client(tmp_path: Path) -> None:
    draw, killed, before, struck, number = random.Random(0), set[str](), left_over(), 0, 0
    store = tmp_path / "0"
    while struck < MOMENTS:
        run = client(store, "local:2")
        if strike(run, store, draw):
            everybody = children(run.pid)
            working = {line.split()[1] for p in store.glob("log/*") for line in p.read_text().splitlines()}
            victim = draw.choice([str(run.pid), *[p for p in everybody if p in working]])
            os.kill(int(victim), signal.SIGKILL)
            killed |= {victim, *(everybody if victim == str(run.pid) else ())}
            struck += 1
        assert run.wait(200) in (0, -signal.SIGKILL)
        while any(map(alive, killed)):
            time.sleep(0.05)
        if run.returncode == 0:
            finish_and_compare(store, "local:2", killed, tmp_path / f"{number}-", before)
            number += 1
            store = tmp_path / str(number)
    finish_and_compare(store, "local:2", killed, tmp_path / f"{number}-", before)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_existing_dask_and_its_client(tmp_path: Path) -> None:
    draw, killed, before = random.Random(1), set[str](), left_over()
    store, file = tmp_path / "store", f"file:{tmp_path}/scheduler.json"
    with ExitStack() as stack:
        for moment in range(MOMENTS):
            if moment == 0 or dask[0].poll() is not None:
                with stack.pop_all():  # ends what is left of the one before
                    pass
                (tmp_path / "scheduler.json").unlink(missing_ok=True)
                dask = stack.enter_context(running_dask(tmp_path))
            run = client(store, file)
            if not strike(run, store, draw):
                assert run.wait() == 0
                finish_and_compare(store, file, killed, tmp_path / f"{moment}-", before)
                store = tmp_path / f"store{moment}"
                continue
            working = [p for p in children(dask[1].pid) if alive(p)]
            victim = draw.choice(("worker", "scheduler", "client"))
            pids = {"worker": working, "scheduler": [dask[0].pid], "client": [run.pid]}[victim]
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            killed |= {*map(str, pids), *(working if victim == "scheduler" else ())}
            assert run.wait(200) == {"worker": 0, "scheduler": 1, "client": -signal.SIGKILL}[victim], victim
            if victim == "scheduler":
                dask[1].wait(100)
        finish_and_compare(store, "local:2", killed, tmp_path / "last-", before)
    assert list((tmp_path / "dask").rglob("worker-*")) == []
