"""`python -m tools.dependencies lowest|newest [TEST …]`: a shortened demo and hundreds of tests with these versions.

An environment in build/ gets the lowest, or the newest, version of every dependency that pyproject.toml allows, for the
Python that runs this: `python3.13 -m tools.dependencies newest`.  Warnings are no errors there: old packages cause many
in new ones, and new packages warn of their next release.
"""

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("lowest", "newest")
TESTS = (
    "tests/unit/base",
    "tests/unit/given/test_probe.py",
    "tests/end_to_end/test_command_line.py",
    "tests/end_to_end/test_spectrum.py",
)
TOOLS = ("pytest", "pytest-timeout", "hypothesis", "beartype", "hatchling")
DEMO = ("--quiet", "--seeds", "1", "--set", "train_images=300", "--set", "test_images=60", "--store", "store")


def requirements(versions: str) -> list[str]:
    """The dependencies, "numpy>=1.26" as "numpy==1.26" for the lowest versions and as "numpy" for the newest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pairs = [requirement.split(">=") for requirement in project["dependencies"]]
    return [f"{name}=={version}" if versions == "lowest" else name for name, version in pairs]


def main(versions: str, tests: list[str]) -> None:
    folder = ROOT / "build" / f"{versions}-{sys.version_info.major}.{sys.version_info.minor}"
    venv.create(folder, with_pip=True, clear=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def python(*words: str, cwd: Path = ROOT) -> None:
        subprocess.run([folder / "bin" / "python", "-m", *words], cwd=cwd, env=environment, check=True)

    install = ("pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade")
    python(*install, "--editable", str(ROOT), *requirements(versions), *TOOLS)
    python("pip", "list")
    python("eigencode", "run", "demo", *DEMO, cwd=folder)
    python("pytest", "-q", "-m", "not slow", "-o", "filterwarnings=default", *(tests or TESTS))


if __name__ == "__main__":
    if sys.argv[1:2] not in ([v] for v in VERSIONS):
        sys.exit(f"usage: python -m tools.dependencies {'|'.join(VERSIONS)} [TEST …]")
    main(sys.argv[1], sys.argv[2:])
