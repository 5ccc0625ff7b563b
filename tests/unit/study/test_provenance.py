"""Where a result comes from: versions, machine, and the commit of this code, not of somebody else's."""

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from eigencode.study import _provenance as module

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
