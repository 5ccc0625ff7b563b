"""A result is complete or absent, whatever happens while it is written."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from fake_steps import GoWrong, Write

from eigencode.base.errors import EigencodeError
from eigencode.study._integrity import META
from eigencode.study.executor import execute
from eigencode.study.step import Step
from eigencode.study.store import Store


def fill(store: Store, step: Step, text: str = "x") -> None:
    with store.writing(step, {"seconds": 1.0, "warnings": []}) as folder:
        (folder / "out.txt").write_text(text)


def steps_of(store: Store) -> list[str]:
    folder = store.root / "steps"
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_result_appears_whole(tmp_path: Path) -> None:
    store, step = Store(tmp_path / "a" / "b"), Write("a")
    assert not store.has(step)
    with store.writing(step, meta := {"seconds": 1.0}) as folder:
        (folder / "out.txt").write_text("x")
        (folder / "deep").mkdir()
        (folder / "deep" / "more.txt").write_text("y")
        assert not store.has(step)
        assert steps_of(store) == []
        meta["warnings"] = []  # type: ignore[assignment]
    assert store.has(step)
    assert store.meta(step).items() >= {"seconds": 1.0, "warnings": [], "key": step.key}.items()
    assert (store.folder(step) / "deep" / "more.txt").read_text() == "y"
    assert steps_of(store) == [step.key]
    assert not (store.root / "scratch" / step.key).exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_a_block_that_fails(tmp_path: Path, error: type[BaseException]) -> None:
    store, step = Store(tmp_path), Write("a")

    def half() -> None:
        with store.writing(step, {}) as folder:
            (folder / "out.txt").write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert not store.has(step)
    assert steps_of(store) == []
    assert not list(tmp_path.rglob("out.txt"))


def test_a_process_killed_while_writing_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    store, step = Store(tmp_path), GoWrong("a", how="exit")
    child = os.fork()
    if child == 0:
        execute([step], store)  # ends in os._exit, as a kill does: no clean-up of any kind
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert not store.has(step)
    assert steps_of(store) == []
    left = [p.name for p in (tmp_path / "scratch").rglob("*") if p.is_file()]
    assert sorted(left) == ["checkpoint", "half.txt", "provenance.json"]
    assert (store.scratch(step) / "checkpoint").read_text() == "kept"
    fill(store, step)
    assert not (tmp_path / "scratch" / step.key).exists(), "what the killed run left is removed with the next result"


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    store, step = Store(tmp_path), Write("a")
    with store.writing(step, {"who": "second"}) as folder:
        (folder / "out.txt").write_text("second")
        with Store(tmp_path).writing(step, {"who": "first"}) as other:
            (other / "out.txt").write_text("first")
            assert other != folder
        folder.mkdir(parents=True, exist_ok=True)  # the first one has tidied up
    assert store.meta(step)["who"] == "first"
    assert (store.folder(step) / "out.txt").read_text() == "first"
    assert steps_of(store) == [step.key]


def test_a_step_that_somebody_else_finished_meanwhile_is_done(tmp_path: Path) -> None:
    """The other process removes the scratch folder while this one still writes there."""

    class Overtaken(Write):
        name = "overtaken"

        def run(self, folder: Path, inputs: object) -> None:
            fill(Store(tmp_path), self, "first")
            (folder / "out.txt").write_text("second")

    step = Overtaken("a")
    outcome = execute([step], Store(tmp_path))
    assert outcome.ok
    assert outcome.done == [step]
    assert (Store(tmp_path).folder(step) / "out.txt").read_text() == "first"


def test_a_result_is_never_overwritten(tmp_path: Path) -> None:
    store, step = Store(tmp_path), Write("a")
    fill(store, step, "old")
    fill(store, step, "new")
    assert (store.folder(step) / "out.txt").read_text() == "old"


def test_a_folder_without_its_description_is_no_result_and_is_replaced(tmp_path: Path) -> None:
    store, step = Store(tmp_path), Write("a")
    fill(store, step, "old")
    (store.folder(step) / META).unlink()
    assert not store.has(step)
    assert execute([step], store).ok
    assert (store.folder(step) / "out.txt").read_text() == "a"


@pytest.mark.parametrize("how", ["full", "full in rust"])
def test_a_full_disk_is_one_sentence_and_costs_nothing_finished(tmp_path: Path, how: str) -> None:
    store, first, bad = Store(tmp_path), Write("a"), GoWrong("b", how=how)
    outcome = execute([first, bad], store)
    assert outcome.done == [first]
    assert store.has(first)
    message = outcome.failed[bad.key]
    assert "No space left on device" in message
    assert "every finished step is kept" in message
    assert "Traceback" not in message
    assert steps_of(store) == [first.key]


def test_a_disk_that_fills_while_the_description_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store, step = Store(tmp_path), Write("a")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EigencodeError, match=r"cannot write the result of write: .*No space left"):
        fill(store, step)
    assert steps_of(store) == []


def test_a_missing_file_is_not_mistaken_for_a_full_disk(tmp_path: Path) -> None:
    bad = GoWrong("b", how="file not found")
    message = execute([bad], Store(tmp_path)).failed[bad.key]
    assert "nothing.txt" in message
    assert "disk space" not in message


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    step = Write("a")
    message = execute([step], Store(tmp_path / "file" / "below")).failed[step.key]
    assert "another --store" in message
    assert "Traceback" not in message


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store, step = Store(tmp_path), Write("a")
        fill(store, step)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.folder(step).stat().st_mode) == 0o755
    assert stat.S_IMODE((store.folder(step) / META).stat().st_mode) == 0o644


def test_the_description_is_strict_json(tmp_path: Path) -> None:
    store, step = Store(tmp_path), Write("a")
    with store.writing(step, {"settings": {"eps_max": float("inf"), "n": float("nan")}}):
        pass
    text = (store.folder(step) / META).read_text()
    assert json.loads(text, parse_constant=pytest.fail)["settings"] == {"eps_max": "Infinity", "n": None}
