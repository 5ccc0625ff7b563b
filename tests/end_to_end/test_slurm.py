"""A study on Slurm: as jobs of a run, and as an array of workers, with the results of one process, bit for bit."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm import missing, running_slurm
from tiny import contents, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the study and its results of one process, while Slurm runs."""
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("slurm")
    write(folder)
    with running_slurm(folder) as configuration, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(configuration))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
        assert run(folder, "run", "tiny.toml", "--store", "here").returncode == 0
        yield folder
        assert jobs() == []


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "eigencode", *words, "--quiet"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


def jobs() -> list[str]:
    """The jobs that wait or run."""
    said = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, timeout=30, check=True).stdout
    return said.splitlines()


def rows(store: Path) -> object:
    return json.loads((store / "reports" / "tiny" / "results.json").read_text("utf-8"))["rows"]


def ended_jobs() -> None:
    end = time.monotonic() + 60
    while jobs() and time.monotonic() < end:
        time.sleep(0.5)
    assert jobs() == []


def test_jobs_of_a_run(home: Path) -> None:
    chosen = ("--set", "cluster.queue=short", "--set", "cluster.memory=1GB", "--set", "cluster.logs=logs")
    done = run(home, "run", "tiny.toml", "--store", "jobs", "--cluster", "slurm:2", *chosen)
    assert done.returncode == 0, done.stderr
    assert "57 steps done" in done.stdout
    ended_jobs()
    assert contents(home / "jobs") == contents(home / "here")
    assert rows(home / "jobs") == rows(home / "here")
    assert not [*home.glob("jobs/claims/*"), *home.glob("jobs/scratch/*")]
    workers = {p.name for p in (home / "logs").iterdir()}
    assert len(workers) >= 2, "both jobs ran"


def test_an_array_of_workers_needs_nothing_else(home: Path) -> None:
    script = f"#!/bin/sh\nexec {sys.executable} -m eigencode work tiny.toml --store array --quiet\n"
    (home / "array.sh").write_text(script)
    words = ["sbatch", "--wait", "--array=0-2", "--mem=500", "--output=array-%a.out", "array.sh"]
    subprocess.run(words, cwd=home, check=True, timeout=600, capture_output=True)
    said = [(home / f"array-{i}.out").read_text() for i in range(3)]
    done = [int(text.split(" steps done")[0]) for text in said]
    assert sum(done) == 57, said
    assert sum(n > 0 for n in done) > 1, said
    assert contents(home / "array") == contents(home / "here")
    assert not [*home.glob("array/claims/*"), *home.glob("array/scratch/*")]
    table = run(home, "run", "tiny.toml", "--store", "array")
    assert "0 steps done, 57 already there" in table.stdout
    assert rows(home / "array") == rows(home / "here")
