"""`python -m tools.lowest`: the lowest allowed version of every dependency, as constraints for pip."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def lowest() -> list[str]:
    """The dependencies, such as "numpy>=1.26", as "numpy==1.26"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [requirement.replace(">=", "==") for requirement in project["dependencies"]]


if __name__ == "__main__":
    print("\n".join(lowest()))
