"""Made-up results as large as those of a published study, kept in a store as if their steps had run."""

from typing import Any

import torch

from eigencode.base.record import Record
from eigencode.measures.accuracy import Accuracy
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.spectra.spectrum import Spectrum
from eigencode.study import Cell, Store
from eigencode.study.step import Step
from eigencode.training.supervised import SupervisedTraining


def record(cell: Cell, rng: torch.Generator) -> Record:
    """A result of the kind of this cell."""
    if cell.kind == "accuracy":
        return Accuracy.of(torch.rand(1000, generator=rng) < 0.9)
    common: dict[str, Any] = {"n": 1000, "n_correct": 900, "norm": "linf", "space": "unit", "seed": cell.seed}
    if cell.kind == "spectrum":
        n = torch.arange(1, 2001, dtype=torch.float64)
        noise = 0.02 * torch.randn(2000, dtype=torch.float64, generator=rng)
        return Spectrum((n**-1.1 * noise.exp()).sort(descending=True).values, 10_000, 2000, seed=cell.seed)
    if cell.kind == "curve":
        eps = torch.logspace(-4, -1, 100, dtype=torch.float64)
        values = torch.rand(100, dtype=torch.float64, generator=rng).sort(descending=True).values
        series = {**dict.fromkeys((n for n, axes in Curve.dims().items() if axes == ("eps",)), values), "eps": eps}
        return Curve(**series, **common, attack="PGD", exhaustive=False, zero_gradients=0.0)
    size = torch.rand(900, dtype=torch.float64, generator=rng)
    arrays = {"index": torch.arange(900), "eps": size, "size": size, "distance": size, "censored": size > 0.95}
    spent = {"tolerance": 0.01, "eps_max": 1.0, "evaluations": 1, "gradients": 1, "zero_gradients": 0.0}
    return CriticalSizes(**arrays, **common, **spent, attack="PGD")


def trained(rng: torch.Generator) -> SupervisedTraining:
    values = torch.rand(4, 1000, dtype=torch.float64, generator=rng)
    return SupervisedTraining("all", "adam", "float32", 1000, 1000, 1000, 0, 1.0, -1, *values)


def keep(store: Store, step: Step, found: Record, place: str = "") -> None:
    with store.writing(step, {"seconds": 1.0, "warnings": []}) as folder:
        (folder / place).mkdir(exist_ok=True)
        found.save(folder / place)
