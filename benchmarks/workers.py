"""Studies of many steps in two workers, against the same steps one after the other in this process."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from benchmarks.scheduling import Nothing
from benchmarks.timing import Result
from eigencode.study import Step, Store, execute
from eigencode.study.step import Inputs

WORKERS = 2


@dataclass(frozen=True)
class Products(Step):
    """A step that multiplies matrices for about a third of a second of one core."""

    number: int
    count: int = 150
    name: ClassVar[str] = "products"

    def run(self, folder: Path, inputs: Inputs) -> None:
        """Multiply, and keep the sum."""
        x = torch.full((400, 400), 1 / 400)
        for _ in range(self.count):
            x = x @ x + 1e-3
        (folder / "sum.txt").write_text(str(float(x.sum())))


def seconds(steps: list[Step], workers: int) -> float:
    """Time of a run in a new store, workers started and ended."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        outcome = execute(steps, Store(Path(folder)), workers)
        assert outcome.ok
        return time.perf_counter() - began


def run() -> list[Result]:
    rows = []
    trivial: list[Step] = [Nothing(n) for n in range(2000)]
    real: list[Step] = [Products(n) for n in range(200)]
    for work, steps, wanted, note in (
        ("2000 steps that do nothing, 2 workers", trivial, float("nan"), "at most 60 s are wanted"),
        ("200 steps that multiply matrices, 2 workers", real, WORKERS / 1.15, "at most 1.15 times the ideal is wanted"),
    ):
        alone, together = seconds(steps, 1), seconds(steps, WORKERS)
        rows.append(Result(work, alone, together, wanted, "every step once", note))
    return rows
