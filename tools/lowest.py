"""`python -m tools.lowest [TEST …]`: a shortened demo and more than a hundred tests on the lowest allowed dependencies.

An environment in build/lowest gets the lowest version of every dependency that pyproject.toml allows.  Warnings are no
errors there: old packages cause many in new ones.
"""

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "lowest"
TESTS = (
    "tests/unit/base",
    "tests/unit/given/test_probe.py",
    "tests/end_to_end/test_command_line.py",
    "tests/end_to_end/test_spectrum.py",
)
TOOLS = ("pytest", "pytest-timeout", "hypothesis", "beartype", "hatchling")
DEMO = ("--quiet", "--seeds", "1", "--set", "train_images=300", "--set", "test_images=60", "--store", "store")


def lowest() -> list[str]:
    """The dependencies, such as "numpy>=1.26", as "numpy==1.26"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [requirement.replace(">=", "==") for requirement in project["dependencies"]]


def main() -> None:
    venv.create(FOLDER, with_pip=True, clear=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def python(*words: str, cwd: Path = ROOT) -> None:
        subprocess.run([FOLDER / "bin" / "python", "-m", *words], cwd=cwd, env=environment, check=True)

    python("pip", "install", "--quiet", "--disable-pip-version-check", "--editable", str(ROOT), *lowest(), *TOOLS)
    python("eigencode", "run", "demo", *DEMO, cwd=FOLDER)
    python("pytest", "-q", "-m", "not slow", "-o", "filterwarnings=default", *(sys.argv[1:] or TESTS))


if __name__ == "__main__":
    main()
