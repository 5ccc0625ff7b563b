"""The tiny study, run once as somebody runs it, for all tests that look at finished results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared import once
from tiny import write


def _run(folder: Path) -> None:
    words = [sys.executable, "-m", "eigencode", "run", str(write(folder)), "--store", str(folder / "store")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=250, check=False, env=environment)
    (folder / "first.json").write_text(json.dumps([done.returncode, done.stdout, done.stderr]))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tiny.toml`, its finished `store`, and what the run printed in `first.json`; look, and change
    a copy."""
    return once(tmp_path_factory, "tiny", _run)
