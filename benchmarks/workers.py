"""Studies of many steps in two workers, against the same steps one after the other in this process."""

import tempfile
import time
from pathlib import Path

from benchmarks.scheduling import Nothing
from benchmarks.timing import Result
from eigencode.study import Step, Store, execute, plan, read_study
from eigencode.study._order import ordered

WORKERS = 2
DEMO = Path(__file__).parents[1] / "studies" / "demo.toml"


def seconds(steps: list[Step], workers: int) -> tuple[float, float]:
    """Time of a run in a new store, workers started and ended, and the sum of the times of its steps."""
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        outcome = execute(steps, Store(Path(folder)), workers, lambda event, step, own, done, of: took.append(own))
        assert outcome.ok
        return time.perf_counter() - began, sum(took)


def run() -> list[Result]:
    rows = []
    trivial: list[Step] = [Nothing(n) for n in range(2000)]
    real: list[Step] = [cell.step for cell in plan(read_study(DEMO))]
    for work, steps, wanted in (
        ("2000 steps that do nothing, 2 workers", trivial, float("nan")),
        (f"the {len(ordered(real))} steps of the demo, 2 workers", real, WORKERS / 1.15),
    ):
        alone, _ = seconds(steps, 1)
        together, busy = seconds(steps, WORKERS)
        ideal = f"{together * WORKERS / busy:.2f} times the ideal, the time of the steps in {WORKERS} workers"
        note = "at most 60 s are wanted" if steps is trivial else f"{ideal}; at most 1.15 is wanted"
        rows.append(Result(work, alone, together, wanted, "every step once", note))
    return rows
