"""The tiny study, run once by the command, for all tests that look at finished results."""

import json
from pathlib import Path

import pytest
from coarse import draw_coarsely
from shared import once
from tiny import write


def _run(folder: Path) -> None:
    from command import inside  # imports most of the package, which few tests need

    with pytest.MonkeyPatch.context() as patch:
        draw_coarsely(patch)
        done = inside("run", write(folder), "--store", folder / "store")
    (folder / "first.json").write_text(json.dumps([done.exit_code, done.stdout, done.stderr]))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tiny.toml`, its finished `store`, and what the run printed in `first.json`; look, and change
    a copy."""
    return once(tmp_path_factory, "tiny", _run)
