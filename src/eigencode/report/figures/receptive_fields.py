"""Weights of locally trained units as images, sorted by number of wins."""

from collections.abc import Iterator

from eigencode.report.figures._mosaic import first_layer, mosaic
from eigencode.report.figures._style import HEIGHT, WIDTH, label
from eigencode.report.figures.plot import Plot
from eigencode.report.run import StudyRun
from eigencode.report.view import View
from eigencode.rules.convergence import Convergence

MOST = 3
"""Most models of a figure."""


def receptive_fields(view: View, data: str) -> Iterator[Plot]:
    """Plot the weights of the units with most wins per locally trained model, first seed; red positive, blue negative.

    Units that have not converged are framed.
    """
    found = [(s, folder) for s in view.series(data) for folder in s.run.locally_trained(data, s.model)[:1]]
    found = [(s, folder) for s, folder in found if s.run.results["study"]["receptive_fields"]][:MOST]
    if not found:
        return
    width = WIDTH * min(1.0, 0.2 + 0.32 * len(found)) / len(found)
    plot = Plot(view, len(found), min(HEIGHT, width + 0.1))
    plot.legend = False
    for axes, (series, folder) in zip(plot.panels, found, strict=True):
        weights, wins, shape = first_layer(folder)
        order = wins.argsort(descending=True, stable=True)[: series.run.results["study"]["receptive_fields"]]
        marked = ~StudyRun.read(Convergence, folder / "convergence").converged[order]
        mosaic(axes, weights[order], shape, marked)
        axes.set_title(f"{label(series.label, 24)}: {len(order)} of {len(wins)} units")
        axes.set(xlabel="unit", ylabel="wins")
        plot.mark([], axes, series)
        plot.mark([], axes, series, order, wins[order], aside=True)
    yield plot
