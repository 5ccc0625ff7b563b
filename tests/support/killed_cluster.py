"""`python killed_cluster.py STORE WORKERS`: a run of steps that note who computes them, to be killed by a test."""

import sys
from pathlib import Path

from fake_steps import Logged

from eigencode.study import Step, Store, execute


def goals() -> list[Step]:
    """Three layers of steps and one that needs all."""
    first = [Logged(f"a{i}") for i in range(8)]
    second = [Logged(f"b{i}", (first[i], first[i - 1])) for i in range(8)]
    return [Logged("last", (*second, *(Logged(f"c{i}", (second[i],)) for i in range(8))))]


if __name__ == "__main__":
    outcome = execute(goals(), Store(Path(sys.argv[1])), sys.argv[2])
    print(outcome.failed, file=sys.stderr)
    sys.exit(0 if outcome.ok else 1)
