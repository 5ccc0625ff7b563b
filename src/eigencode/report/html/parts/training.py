"""Training curves: mean and range over seeds, per epoch."""

from typing import Any

from torch import Tensor

from eigencode.report.html._thinned import over_seeds, picked, room
from eigencode.report.html.shown import ModelOnData, Shown
from eigencode.training.local import LocalTraining
from eigencode.training.supervised import SupervisedTraining

CHARACTERS, EACH = 250_000, 3 * 3 * 7

MEASURES: dict[str, tuple[type[LocalTraining] | type[SupervisedTraining], tuple[str, ...]]] = {
    "local": (LocalTraining, ("converged", "active", "repelled", "norm")),
    "trained": (SupervisedTraining, ("loss", "train_accuracy", "validation_accuracy")),
}
"""Name of the step -> its record and the series to plot."""


def training(shown: Shown) -> list[dict[str, Any]]:
    """Data of the training curves: one entry per run, data set, model and training (local or supervised)."""
    items = list(shown.combinations())
    points = room(CHARACTERS, len(items), EACH, 10, 100)
    found = [(item, step) for item in items for step in MEASURES]
    return [entry for item, step in found for entry in _entry(item, step, points)]


def _entry(item: ModelOnData, step: str, points: int) -> list[dict[str, Any]]:
    kind, names = MEASURES[step]
    folders = item.run.made_by(item.data_name, item.model_name, step)
    records = [kind.load(folder / "training") for folder in folders]
    if not records:
        return []
    series: dict[str, list[Tensor]] = {name: [getattr(r, name) for r in records] for name in names}
    shortest = min(len(values) for listed in series.values() for values in listed)
    chosen = picked(shortest, points)
    drawn = {n: over_seeds([v[:shortest] for v in listed], chosen) for n, listed in series.items()}
    seconds = sum(r.seconds for r in records)
    return [
        {
            **item.entry(),
            "step": step,
            "seeds": len(records),
            "points": shortest,
            "seconds": round(seconds, 1),
            "epochs": [i + 1 for i in chosen],
            "measures": drawn,
        }
    ]
