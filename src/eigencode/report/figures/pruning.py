"""Figure A1 of the paper: variances and weights of pruned and kept units, and spectra before and after pruning."""

import math
from collections.abc import Iterator

import torch
from matplotlib.axes import Axes
from torch import Tensor

from eigencode.measures.pruning import Units
from eigencode.report.figures._laws import LOWEST, points, smallest
from eigencode.report.figures._mixture import histogram
from eigencode.report.figures._mosaic import image_shape, mosaic
from eigencode.report.figures._style import label, log_axes
from eigencode.report.figures.plot import Plot
from eigencode.report.run import arrays
from eigencode.report.view import PALETTE, Series, View
from eigencode.spectra.spectrum import Spectrum

EXAMPLES = 9

BEFORE, AFTER = (PALETTE[2], 2.6, "before pruning"), (PALETTE[1], 1.0, "pruned")


def pruning(view: View, data: str) -> Iterator[Plot]:
    """Plot the pruning of each model, first seed: log variances, weights, spectra before and after."""
    for series, (units, *_) in view.found(data, Units, kind="pruning"):
        raw = view.quantities("raw", data)
        names = [n for n in view.quantities("spectrum", data) if f"{n}, raw" in raw]
        examples = _examples(series, units)
        plot = Plot(view, 1 + len(examples) + len(names), 2.2, caption=series.label)
        plot.legend = False
        bars, *others = plot.panels
        histogram(plot, bars, series, units)
        for axes, (title, weights, shape) in zip(others, examples, strict=False):
            mosaic(axes, weights, shape)
            axes.set_title(title)
        for axes, name in zip(others[len(examples) :], names, strict=True):
            _spectra(plot, axes, series, name)
        yield plot


def _examples(series: Series, units: Units) -> list[tuple[str, Tensor, tuple[int, int, int]]]:
    """Weights of pruned units, by falling variance, and of kept units, by wins, as far as there are any."""
    folder = series.run.locally_trained(series.data, series.model)[0]
    found, shape = arrays(folder), image_shape(folder)
    orders = {"pruned": (units.log_variance, ~units.kept), "kept": (found["encoder.wins"], units.kept)}
    chosen = {n: (order := values.argsort(descending=True))[those[order]] for n, (values, those) in orders.items()}
    weights = {n: found["encoder.weight"][of[:EXAMPLES]] for n, of in chosen.items() if len(of)}
    return [(f"weights of {n} units", of, shape) for n, of in weights.items()]


def _spectra(plot: Plot, axes: Axes, series: Series, name: str) -> None:
    """Plot absolute eigenvalues before and after pruning; they are not relative to λ₁, which pruning changes."""
    axes.set(xscale="log", yscale="log")
    lowest = math.inf
    for (colour, width, title), quantity in ((BEFORE, f"{name}, raw"), (AFTER, name)):
        for spectrum in series.load(Spectrum, quantity=quantity)[:1]:
            floor = max(spectrum.floor, LOWEST * float(spectrum.eigenvalues[0]))
            ranks, values = points(torch.where(spectrum.eigenvalues > floor, spectrum.eigenvalues, 0.0), 1)
            line = plot.line(axes, series, ranks, values, color=colour, lw=width, marker="", seed=spectrum.seed)
            line.set_label(title)
            lowest = min(lowest, smallest(spectrum) * float(spectrum.eigenvalues[0]))
    axes.set(title=label(name), xlabel="rank n", ylabel="eigenvalue λₙ")
    axes.set_ylim(bottom=0.3 * lowest if 0 < lowest < math.inf else None)
    log_axes(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", handlelength=1, fontsize=6)
