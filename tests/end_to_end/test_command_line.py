"""What every command owes: lists for people and for machines, completion, quiet, errors that say how to go on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import inside
from tiny import write

import eigencode
from eigencode.base import progress as bars
from eigencode.base.errors import InputError

COMMANDS = ("run", "studies", "status", "report", "spectrum", "probe", "doctor", "work", "data list", "data fetch")


def completion(words: str, **more: str) -> str:
    """What the shell gets when it asks the program."""
    environment = {**os.environ, "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), **more}
    command = [sys.executable, "-c", "import sys; sys.argv = ['eigencode']; from eigencode.cli import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_emitted(shell: str) -> None:
    script = completion("eigencode", _EIGENCODE_COMPLETE=f"source_{shell}")
    assert "_EIGENCODE_COMPLETE" in script
    assert "eigencode" in script.replace("_EIGENCODE_COMPLETE", "")


def test_commands_and_options_are_completed() -> None:
    offered = completion("eigencode s", _EIGENCODE_COMPLETE="complete_bash").split()
    assert offered == ["studies", "status", "spectrum", "store"]
    assert "--weights" in completion("eigencode probe --", _EIGENCODE_COMPLETE="complete_bash").split()


def test_the_version_is_printed() -> None:
    done = inside("--version")
    assert (done.exit_code, done.stdout) == (0, f"{eigencode.__version__}\n")


def test_lists_for_machines_hold_what_people_see() -> None:
    sets = json.loads(inside("data", "list", "--json").stdout)
    lines = inside("data", "list").stdout.splitlines()
    assert lines[0].split() == ["data", "set", "pixels", "(c×h×w)", "training", "test", "images"]
    assert [line.split()[0] for line in lines[1:]] == [entry["name"] for entry in sets]
    digits = next(entry for entry in sets if entry["name"] == "digits")
    assert (digits["shape"], digits["train"], digits["present"]) == ([1, 8, 8], 1438, True)
    found = json.loads(inside("doctor", "--json").stdout)
    assert found["versions"]["eigencode"] == eigencode.__version__
    assert "digits" in found["data"]
    printed = inside("doctor").stdout
    assert all(version in printed for version in found["versions"].values())
    assert "{" not in printed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rnu"], "Did you mean 'run'"),
        (["data", "lst"], "Did you mean 'list'"),
        (["run", "--sed", "3"], "--seeds"),
        (["data", "fetch", "digitz"], "did you mean 'digits'"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(words: list[str], says: str) -> None:
    done = inside(*words)
    assert done.exit_code == 2
    assert says in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = inside(*command.split(), "--help")
    assert done.exit_code == 0
    first = done.stdout.split("\n\n")[1].strip()
    assert first.endswith(".")
    assert "TODO" not in first


@pytest.mark.parametrize("quiet", [False, True])
def test_quiet_reaches_bars_and_steps(quiet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def execute(goals: object, store: object, workers: int, watch: object, **_: object) -> None:
        seen.append((bars._quiet.get(), watch is None))
        raise InputError("far enough")

    monkeypatch.setattr("eigencode.study.execute", execute)
    done = inside("run", write(tmp_path), "--store", tmp_path / "store", *(["--quiet"] if quiet else []))
    assert (done.exit_code, done.stderr) == (2, "error: far enough\n")
    assert seen == [(quiet, quiet)]
    assert not bars._quiet.get()


def test_quiet_fetch_says_nothing() -> None:
    done = inside("data", "fetch", "digits", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
