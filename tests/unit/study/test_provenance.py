"""Where a result comes from: versions, machine, and the commit of this code, not of somebody else's."""

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from fake_steps import GoWrong, Write

from eigencode.study import _provenance as module
from eigencode.study.executor import execute
from eigencode.study.step import Inputs
from eigencode.study.store import Store

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    module._fixed.cache_clear()
    yield
    module._fixed.cache_clear()


def test_it_says_what_one_needs_to_repeat_a_result() -> None:
    found = module.provenance()
    assert found["versions"]["torch"] == version("torch")
    assert found["python"] == platform.python_version(), "said, and no part of any key"
    assert found["threads"] == 1
    assert found["time"].endswith("+00:00")
    assert json.loads(json.dumps(found)) == found


def test_missing_tools_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **more: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    monkeypatch.setattr(module, "PACKAGES", ("torch", "no-such-package"))
    found = module.provenance()
    assert found["commit"] == ""
    assert found["versions"]["no-such-package"] == "unknown"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_this_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "src" / "eigencode" / "study"
    package.mkdir(parents=True)
    file = package / "provenance.py"
    file.write_text("x = 1\n")
    monkeypatch.setattr(module, "__file__", str(file))

    def git(*words: str) -> str:
        done = subprocess.run([*GIT, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "somebody.txt").write_text("else's project")
    git("add", "somebody.txt")
    git("commit", "-q", "-m", "their work")
    assert module._commit() == "", "installed inside the checkout of another project"
    git("add", "src")
    git("commit", "-q", "-m", "our work")
    assert module._commit() == git("rev-parse", "--short=12", "HEAD")
    file.write_text("x = 2\n")
    assert module._commit() == git("rev-parse", "--short=12", "HEAD") + "+"


def made(**other: object) -> dict[str, object]:
    return {"versions": {"torch": "2.13", "numpy": "2"}, "processor": "A", "bfloat16": "native", "commit": "c"} | other


def test_the_provenance_of_like_steps_is_that_of_each() -> None:
    assert module.combined([made(), made()]) == made()
    assert module.mixed([made(), made(commit="another", python="3.12")]) == []
    assert module.combined([]) == {}


def test_steps_computed_otherwise_are_told() -> None:
    other = made(versions={"torch": "2.12", "numpy": "2"}, bfloat16="products in float32")
    found = module.combined([made(), other, made()])
    assert found["versions"] == {"torch": "2.13 (2 steps), 2.12 (1 step)", "numpy": "2"}
    assert found["processor"] == "A"
    (said,) = module.mixed([made(), other, made()])
    assert "torch 2.13 (2 steps), 2.12 (1 step); bfloat16 native (2 steps), products in float32 (1 step)" in said
    assert "processor" not in said


def test_only_time_may_differ_between_processes_of_one_machine() -> None:
    assert module.elsewhere([made(time="1"), made(processor="B")], made(time="2")) == [made(processor="B")]


class GoesOn(GoWrong):
    """Is interrupted at its first attempt, and goes on from its checkpoint at the second."""

    name = "goes on"

    def run(self, folder: Path, inputs: Inputs) -> None:
        if not (inputs.scratch / "checkpoint").exists():
            super().run(folder, inputs)
        (folder / "out.txt").write_text("done")


def test_a_step_says_where_it_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, store = GoesOn("a", how="interrupt"), Store(tmp_path)
    monkeypatch.setattr("eigencode.study._attempt.provenance", lambda: made(bfloat16="products in float32"))
    with pytest.raises(KeyboardInterrupt):
        execute([step], store)
    monkeypatch.setattr("eigencode.study._attempt.provenance", made)
    assert execute([step], store).ok
    assert store.meta(step)["provenance"] == made()
    assert store.meta(step)["resumed_from"] == [made(bfloat16="products in float32")]
    assert sorted(p.name for p in store.folder(step).iterdir()) == ["out.txt", "step.json"]


def test_an_attempt_without_a_checkpoint_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, store = Write("a"), Store(tmp_path)
    assert store.begun(step, made(processor="B")) == []
    monkeypatch.setattr("eigencode.study._attempt.provenance", made)
    assert execute([step], store).ok
    assert "resumed_from" not in store.meta(step)
