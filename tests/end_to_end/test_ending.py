"""A command ends in one sentence: closed outputs, full disks, interrupts; and nothing finished is lost."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import inside
from processes import alive, children
from tiny import write

from eigencode.base import disk_errors, durable
from eigencode.base.durable import replacing
from eigencode.base.process import this_process
from eigencode.measures import CurveMeasure

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def shell(words: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash in which $E is the command line and $1 ... are the arguments."""
    line = f'set -o pipefail; E="{sys.executable} -m eigencode"; {words}'
    command = ["bash", "-c", line, "bash", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False, env=ENVIRONMENT)


@pytest.fixture
def here(home: Path, tmp_path: Path) -> Path:
    """A finished store, to change."""
    shutil.copytree(home, tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("$E data list | (exec <&-)", 1, "error: standard output was closed before everything was printed"),
        ("$E data list > /dev/full", 1, "error: No space left on device\n  fix:    free disk space"),
        ("$E data list >&-", 0, ""),
        ("$E data list 2>&-", 0, ""),
        ("$E data fetch nothing 2>&-", 2, ""),
    ],
)
def test_outputs_that_are_closed_or_full(words: str, code: int, says: str) -> None:
    done = shell(words)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.startswith(says)
    assert bool(done.stderr) == bool(says)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """The system refuses to sync files of this name."""
    real = durable.sync

    def sync(path: Path, inside: bool = True) -> None:
        if name in path.read_bytes()[:20].decode("latin1"):
            raise OSError(number, os.strerror(number))
        real(path, inside)

    monkeypatch.setattr(durable, "sync", lambda path, inside=True: sync(path, inside) if path.is_file() else None)


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("what", ["<!doctype html", "%PDF", '"study"'], ids=["page", "figure", "results"])
def test_a_disk_that_fills_after_the_steps(here: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The old report stays, errors of steps and the table are printed, and nothing is left beside."""

    def fail(self: CurveMeasure, subject: object) -> None:
        raise ZeroDivisionError("a defect")

    report = here / "store" / "reports" / "tiny"
    old = {p.name: p.read_bytes() for p in report.rglob("*") if p.is_file()}
    shutil.rmtree(next((here / "store" / "steps").glob("curve-*")))
    monkeypatch.setattr(CurveMeasure, "measure", fail)
    refuse(monkeypatch, what, errno.ENOSPC)
    result = inside("run", here / "tiny.toml", "--store", here / "store")
    assert result.exit_code == 1
    assert "ZeroDivisionError: a defect" in result.stderr
    told = disk_errors.told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert result.stderr.endswith(f"error: {told}\n")
    assert ("steps done, 56 already there" in result.stdout) == ("study" not in what)
    now = {p.name: p.read_bytes() for p in report.rglob("*") if p.is_file()}
    assert now.keys() == old.keys()
    changed = {name for name in now if now[name] != old[name]}
    assert changed <= (set() if "study" in what else {"results.json"} | {n for n in now if n.startswith("spectra")})


def test_what_a_killed_writer_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    from eigencode.base import process

    dead = tmp_path / f"{process._named.__wrapped__(child.pid)}-0.part"
    child.communicate()
    living, other = tmp_path / f"{this_process()}-999.part", tmp_path / "own.part"
    for path in (dead, living, other):
        path.touch()
    with replacing(tmp_path / "file") as part:
        part.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([living.name, other.name, "file"])


def test_a_file_is_synced_before_it_is_renamed_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda h: (order.append(os.readlink(f"/proc/self/fd/{h}")), fsync(h)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("rename"), replace(self, to)))
    with replacing(tmp_path / "file") as part:
        part.write_text("x")
    assert order == [str(part), "rename", str(tmp_path)]


@pytest.mark.parametrize(("sent", "code", "number"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)])
def test_one_signal_ends_a_run_at_once(tmp_path: Path, sent: int, code: int, number: int) -> None:
    """Its workers too; one sentence, every finished step is kept, no claim and no half result is left."""
    store = tmp_path / "store"
    words = ["run", str(write(tmp_path)), "--store", str(store), "--workers", str(number), "--quiet"]
    run = subprocess.Popen(
        [sys.executable, "-m", "eigencode", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL),  # a shell ignores SIGINT in its background jobs
    )
    end = time.monotonic() + 200
    while not list(store.glob("steps/*")) and run.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    workers = children(run.pid)
    run.send_signal(sent)
    _, said = run.communicate(timeout=60)
    assert run.returncode == code
    assert said == "error: interrupted; every finished step is kept, the same command goes on from here\n"
    assert list(store.glob("claims/*")) == []
    assert list(store.glob("scratch/*/part-*")) == []
    assert len(workers) >= number if number > 1 else not workers
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(alive, workers))
    assert list(store.glob("steps/*"))
    assert all(json.loads((p / "step.json").read_text())["key"] == p.name for p in store.glob("steps/*"))


def test_an_unreadable_file_is_told_by_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "store/steps/a/record.json")

    monkeypatch.setattr("eigencode.base.record.Record.load", classmethod(refuses))
    told = inside("run", here / "tiny.toml", "--store", here / "store")
    assert told.exit_code == 1
    assert re.search(r"error: Permission denied: store/steps/a/record.json\n +fix: +ask its owner", told.stderr)
