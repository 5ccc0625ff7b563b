"""SIGKILL at any moment, start again: the safetensors file has the bytes of the run that nobody killed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "support" / "killed_training.py"
KINDS = ("local", "best", "spectral", "greedy")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, str(SCRIPT), str(folder), *KINDS]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        found |= json.loads(line)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_is_uninterrupted(reports: dict[str, Any], kind: str) -> None:
    report = reports[kind]
    assert len(report["deaths"]) == 5
    assert all(death["killed"] for death in report["deaths"])
    assert report["deaths"][-1]["checkpoint"]  # so that something was really continued
    assert report["torn"] == [True, True]  # killed right before and right after a checkpoint is renamed into place
    assert report["same"]
    assert report["again"]  # a finished run started again gives its result and trains nothing
