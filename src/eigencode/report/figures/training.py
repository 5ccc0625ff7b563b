"""Training curves: mean over seeds with their range, per epoch."""

from collections.abc import Iterator

import torch

from eigencode.report.figures.plot import Plot, few, thinned
from eigencode.report.view import Series, View
from eigencode.training.local import LocalTraining
from eigencode.training.supervised import SupervisedTraining

MEASURES: dict[tuple[str, str], str] = {
    ("local", "converged"): "share of units converged",
    ("local", "active"): "share of units that win",
    ("local", "norm"): "median norm of the weights",
    ("trained", "loss"): "loss with penalties",
    ("trained", "train_accuracy"): "training accuracy",
    ("trained", "validation_accuracy"): "validation accuracy",
}
"""(step, series of its record) -> label of the axis."""

KINDS = {"local": (LocalTraining, "local rule"), "trained": (SupervisedTraining, "by gradient")}


def training(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per measure, local training first."""
    read = {step: [(s, records) for s in view.series(data) if (records := _records(s, step))] for step in KINDS}
    shown = [key for key in MEASURES if any(_finite(records, key[1]) for _, records in read[key[0]])]
    if not shown:
        return
    plot = Plot(view, len(shown), 2.0)
    lines = sum(len(read[step]) for step, _ in shown)
    for axes, key in zip(plot.panels, shown, strict=True):
        for series, records in read[key[0]]:
            if _finite(records, key[1]):
                values = [getattr(r, key[1]).double() for r in records]
                shortest = min(map(len, values))
                chosen = thinned(shortest, lines, 100)
                together = torch.stack([v[:shortest] for v in values])[:, chosen]
                band = (together.amin(0), together.amax(0)) if len(records) > 1 else ()
                plot.line(axes, series, [i + 1 for i in chosen], together.mean(0), *band)
        axes.set(title=KINDS[key[0]][1], xlabel="epoch", ylabel=MEASURES[key])
        few(axes, "xy")
    yield plot


def _records(series: Series, step: str) -> list:
    folders = series.run.made_by(series.data, series.model, step)
    return [series.run.read(KINDS[step][0], folder / "training") for folder in folders]


def _finite(records: list, name: str) -> bool:
    return any(bool(torch.isfinite(getattr(r, name)).any()) for r in records)
