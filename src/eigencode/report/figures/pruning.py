"""Figure A1 of the paper: variances and weights of pruned and kept units, and spectra before and after pruning."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from torch import Tensor

from eigencode.measures.pruning import Units
from eigencode.report.figures._laws import LOWEST, points, smallest
from eigencode.report.figures._style import label, log_axis
from eigencode.report.figures.plot import Plot, few
from eigencode.report.figures.receptive_fields import image_shape, mosaic
from eigencode.report.run import arrays
from eigencode.report.view import PALETTE, Series, View
from eigencode.spectra.spectrum import Spectrum

BARS, EXAMPLES = 40, 9
COMPONENTS = (PALETTE[1], PALETTE[3], PALETTE[6], PALETTE[4])
"""Colours of the Gaussians, from the smallest variance to the largest."""

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
        _histogram(plot, bars, series, units)
        for axes, (title, weights, shape) in zip(others, examples, strict=False):
            mosaic(axes, weights, shape)
            axes.set_title(title)
        for axes, name in zip(others[len(examples) :], names, strict=True):
            _spectra(plot, axes, series, name)
        yield plot


def _histogram(plot: Plot, axes: Axes, series: Series, units: Units) -> None:
    values = units.log_variance
    low, high = float(values.min()), float(values.max())
    edges = torch.linspace(low - 1e-6, max(high, low + 1e-3) + 1e-6, BARS + 1, dtype=torch.float64)
    line = torch.linspace(float(edges[0]), float(edges[-1]), 200, dtype=torch.float64)
    for i in range(len(units.mean)):
        colour = COMPONENTS[i % len(COMPONENTS)]
        chosen = values[units.component == i]
        found: Any
        found, _, _ = axes.hist(chosen.numpy(), bins=edges.tolist(), color=colour, alpha=0.5, label=f"Gaussian {i + 1}")
        plot.mark([], axes, series, (edges[1:] + edges[:-1]) / 2, found.tolist(), what=f"Gaussian {i + 1}", aside=True)
        density = torch.exp(-0.5 * ((line - units.mean[i]) / units.deviation[i]) ** 2)
        height = units.weight[i] * len(values) * (edges[1] - edges[0]) / (units.deviation[i] * (2 * torch.pi) ** 0.5)
        axes.plot(line, height * density, color=colour, lw=1)
    if math.isfinite(units.threshold):
        axes.axvline(units.threshold, color="black", lw=0.8, ls="--")
    axes.set(yscale="log", ylim=(0.5, 6 * len(values)), xlabel="log variance of the weights", ylabel="number of units")
    axes.yaxis.set_minor_formatter(NullFormatter())
    few(axes)
    said = f"{units.n_kept} kept, {units.n_pruned} pruned, {units.n_unconverged} not converged"
    axes.set_title(f"{label(series.label, 24)}: {said}", fontsize=7)
    axes.legend(loc="upper center", handlelength=1, fontsize=6, ncols=3, columnspacing=0.8)


def _examples(series: Series, units: Units) -> list[tuple[str, Tensor, tuple[int, int, int]]]:
    """Weights of pruned units, by falling variance, and of kept units, by wins, as far as there are any."""
    folder = series.run.locally_trained(series.data, series.model)[0]
    found = arrays(folder)
    orders = {"pruned": (units.log_variance, ~units.kept), "kept": (found["encoder.wins"], units.kept)}
    chosen = {}
    for name, (values, those) in orders.items():
        order = values.argsort(descending=True)
        chosen[name] = order[those[order]][:EXAMPLES]
    shape = image_shape(folder)
    return [(f"weights of {n} units", found["encoder.weight"][c], shape) for n, c in chosen.items() if len(c)]


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
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", handlelength=1, fontsize=6)
