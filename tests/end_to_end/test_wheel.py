"""The wheel alone is enough: the studies are inside, and run by name from an empty folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pages import ROOT

SMALL = ("--seeds", "1", "--set", "train_images=300", "--set", "test_images=300", "--quiet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without a network."""
    pytest.importorskip("hatchling", reason="the build backend is not installed: pip install hatchling")
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


def python(*words: object, cwd: Path, **more: str) -> str:
    command = [sys.executable, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_the_wheel_holds_the_studies_as_they_are(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        place = "eigencode/shipped/"
        found = {n.removeprefix(place): packed.read(n) for n in packed.namelist() if n.startswith(place)}
    wanted = [*(ROOT / "studies").rglob("*.toml"), ROOT / "examples" / "residual.py"]
    assert found == {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in wanted}


@pytest.mark.slow
def test_an_installed_wheel_runs_studies_by_name(wheel: Path, tmp_path: Path) -> None:
    target, empty = tmp_path / "target", tmp_path / "empty"
    empty.mkdir()
    python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel, cwd=empty)

    def eigencode(*words: str) -> str:
        return python("-m", "eigencode", *words, cwd=empty, PYTHONPATH=str(target))

    listed = json.loads(eigencode("studies", "--json"))
    assert {Path(entry["file"]) for entry in listed} == set(
        (target / "eigencode" / "shipped" / "studies").glob("*.toml")
    )
    assert "test accuracy" in eigencode("run", "demo", *SMALL, "--model", "Init")
    assert "test accuracy" in eigencode("report", "demo")
    steps = eigencode("status", "demo", "--seeds", "1", "--model", "Init", *SMALL[2:-1], "--json")
    assert json.loads(steps)["all"]["finished"] == json.loads(steps)["all"]["steps"] > 0
    assert "α mean" in eigencode("run", "conventions", *SMALL, "--model", "untrained")  # its network is of an example
