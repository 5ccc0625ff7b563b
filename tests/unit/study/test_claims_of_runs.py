"""Several runs on one store: each step is computed once, whoever dies, stops or has another clock."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from fake_steps import GoWrong, Write

from eigencode.base import process
from eigencode.study import Step, Store, _claim as claim_module, execute
from eigencode.study._claim import NAMELESS_S, STALE_S, Claims
from eigencode.study.step import Inputs

OTHER = "ffffffff-00000001-1-1-1"
"""The name of a process of another machine."""


@dataclass(frozen=True)
class Slow(Write):
    """Takes a while, and notes in a file of its own that it was computed."""

    name: ClassVar[str] = "slow"

    def run(self, folder: Path, inputs: Inputs) -> None:
        log = inputs.scratch.parents[1] / "log"
        log.mkdir(exist_ok=True)
        (log / f"{self.text}-{os.getpid()}").touch()
        time.sleep(0.05)
        super().run(folder, inputs)


def goals() -> list[Step]:
    first = [Slow(f"a{i}") for i in range(4)]
    return [Slow("last", (*first, *(Slow(f"b{i}", (first[i],)) for i in range(4))))]


def in_a_fork(folder: Path) -> "multiprocessing.Process":
    def run() -> None:
        outcome = execute(goals(), Store(folder))
        (folder / f"{os.getpid()}.json").write_text(json.dumps([len(outcome.done), len(outcome.cached)]))
        os._exit(0 if outcome.ok else 1)

    started = multiprocessing.get_context("fork").Process(target=run)
    started.start()
    return started


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of one observer, which moves when it is told to."""
    found = SimpleNamespace(now=0.0)
    monkeypatch.setattr(claim_module, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def held_by(folder: Path, holder: str, key: str = "k") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.1").write_text(f"{holder}\n")
    return folder / f"{key}.1"


@pytest.mark.parametrize("runs", [2, 4])
def test_runs_at_the_same_time_compute_every_step_once(tmp_path: Path, runs: int) -> None:
    for run in [in_a_fork(tmp_path) for _ in range(runs)]:
        run.join(60)
        assert run.exitcode == 0
    computed = sorted(p.name.partition("-")[0] for p in (tmp_path / "log").iterdir())
    assert computed == sorted([*(f"a{i}" for i in range(4)), *(f"b{i}" for i in range(4)), "last"])
    told = [json.loads(p.read_text()) for p in tmp_path.glob("*.json")]
    assert sum(done for done, _ in told) == 9
    assert {done + cached for done, cached in told} == {9}
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_step_of_another_run_is_left_to_it_and_its_result_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = Slow("theirs"), Slow("mine")
    below = Slow("below", (theirs,))
    held_by(tmp_path / "claims", OTHER, theirs.key)
    events: list[tuple[str, Step]] = []
    asleep: list[float] = []

    def sleep(seconds: float) -> None:
        asleep.append(seconds)
        if len(asleep) == 5:  # the other run finishes
            with Store(tmp_path).writing(theirs, {}) as folder:
                (folder / "out.txt").write_text("theirs")

    monkeypatch.setattr("eigencode.study.executor.time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    monkeypatch.setattr(Slow, "run", Write.run)
    outcome = execute([below, mine], Store(tmp_path), watch=lambda event, step, *_: events.append((event, step)))
    assert outcome.ok
    assert (outcome.done, outcome.cached) == ([mine, below], [theirs])
    assert [e for e in events if e[1] == theirs] == [("waiting", theirs), ("idle", theirs), ("cached", theirs)]
    assert events.index(("done", mine)) < events.index(("idle", theirs))
    assert asleep == [0.1, 0.2, 0.4, 0.8, 1.6]


def test_a_claim_is_of_one(tmp_path: Path) -> None:
    with Claims(tmp_path) as mine, Claims(tmp_path) as yours:
        assert mine.take("k")
        assert not yours.take("k")
        mine.release("k")
        assert yours.take("k")
    assert list(tmp_path.iterdir()) == []


def test_the_claim_of_an_ended_process_is_taken_at_once(tmp_path: Path) -> None:
    code = f"from eigencode.study._claim import Claims; from pathlib import Path; import os\n\
Claims(Path({str(tmp_path)!r})).take('k'); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert [p.name for p in tmp_path.iterdir()] == ["k.1"]
    with Claims(tmp_path) as mine, Claims(tmp_path) as yours:
        assert mine.take("k")
        assert not yours.take("k")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["k.1", "k.2"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("years", [-10, 10])
def test_a_claim_that_is_touched_is_kept_whatever_the_clocks_say(
    tmp_path: Path, clock: SimpleNamespace, years: int
) -> None:
    path = held_by(tmp_path, OTHER)
    mine = Claims(tmp_path)
    for beat in range(100):
        time_there = time.time() + 365 * 86400 * years + beat
        os.utime(path, (time_there, time_there))
        assert not mine.take("k")
        clock.now += STALE_S


def test_a_claim_that_nobody_touches_is_abandoned_after_a_while(tmp_path: Path, clock: SimpleNamespace) -> None:
    held_by(tmp_path, OTHER)
    mine, yours = Claims(tmp_path), Claims(tmp_path)
    assert not mine.take("k")
    clock.now += STALE_S
    assert not mine.take("k")
    assert not yours.take("k"), "it has only just begun to look"
    clock.now += 1
    with mine:
        assert mine.take("k")
        clock.now += STALE_S
        assert not yours.take("k"), "this is another claim"


@pytest.mark.parametrize("half", ["", OTHER[:10], OTHER])
def test_a_claim_without_a_whole_name_is_abandoned_soon(tmp_path: Path, clock: SimpleNamespace, half: str) -> None:
    """Its process was killed between the creation of the file and the last byte."""
    held_by(tmp_path, OTHER).write_text(half)
    with Claims(tmp_path) as mine:
        assert not mine.take("k")
        clock.now += NAMELESS_S + 1
        assert mine.take("k")


def test_a_claim_is_touched_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_module, "BEAT_S", 0.01)
    with Claims(tmp_path) as mine:
        mine.take("k")
        seen = {(tmp_path / "k.1").stat().st_mtime_ns}
        end = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < end:
            seen.add((tmp_path / "k.1").stat().st_mtime_ns)
        assert len(seen) == 3


def test_only_one_of_many_takes_an_abandoned_claim_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All have seen that it is abandoned before any of them takes it."""
    held_by(tmp_path, OTHER)
    monkeypatch.setattr(Claims, "_abandoned", lambda self, path: path.name == "k.1")
    runs = [Claims(tmp_path) for _ in range(5)]
    assert [run.take("k") for run in runs] == [True, False, False, False, False]
    with runs[0]:
        pass


def test_one_that_was_taken_for_dead_and_goes_on_takes_nothing_away(tmp_path: Path, clock: SimpleNamespace) -> None:
    slow, fast = Claims(tmp_path), Claims(tmp_path)
    with slow:
        assert slow.take("k")
        assert not fast.take("k")
        clock.now += STALE_S + 1
        assert fast.take("k")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k.1", "k.2"]
    with fast:
        assert not Claims(tmp_path).take("k")
    assert list(tmp_path.iterdir()) == []


def test_no_claim_is_left_of_steps_that_fail_or_are_interrupted(tmp_path: Path) -> None:
    assert not execute([GoWrong("a"), Write("b")], Store(tmp_path)).ok
    with pytest.raises(KeyboardInterrupt):
        execute([GoWrong("c", how="interrupt")], Store(tmp_path))
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_full_disk_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(claim_module.os, "write", full)
    message = execute([step := Write("a")], Store(tmp_path)).failed[step.key]
    assert "No space left on device" in message
    assert "every finished step is kept" in message
    assert list((tmp_path / "claims").iterdir()) == []


def test_processes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = process.this_process()
    machine, boot, space, number, started = mine.split("-")
    assert not process.has_ended(mine)
    assert process.has_ended(f"{machine}-{boot}-{space}-{number}-{int(started) + 1}"), "another one had this number"
    assert not process.has_ended(f"ffffffff-{boot}-{space}-{number}-1"), "another machine"
    assert not process.has_ended(f"{machine}-{boot}-1-{number}-1"), "another container"
    for nonsense in ("", "part", "a-b-c-d-e", "report.html.0123456789ab"):
        assert not process.has_ended(nonsense)
    monkeypatch.setattr(process, "_boot", lambda: "11111111")
    assert process.has_ended(f"{machine}-22222222-{space}-{number}-{started}"), "the machine was started anew"
    monkeypatch.setattr(process, "_boot", lambda: "0")
    assert not process.has_ended(f"{machine}-22222222-{space}-{number}-{started}"), "or is another one of its name"


def test_processes_are_told_apart_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_boot", "_space"):
        monkeypatch.setattr(process, name, lambda: "0")
    monkeypatch.setattr(process, "_start", lambda number: "0")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    assert not process.has_ended(f"{process._machine()}-0-0-{os.getpid()}-0")
    assert process.has_ended(f"{process._machine()}-0-0-{ended.pid}-0")
