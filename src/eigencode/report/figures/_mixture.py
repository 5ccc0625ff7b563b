"""Draw the distribution of log variances over units with the Gaussian mixture that pruning fits to it."""

import math
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from eigencode.measures.pruning import Units
from eigencode.report.figures._style import label
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import PALETTE, Series

BARS = 40
COMPONENTS = (PALETTE[1], PALETTE[3], PALETTE[6], PALETTE[4])
"""Colours of the Gaussians, from the smallest variance to the largest."""


def histogram(plot: Plot, axes: Axes, series: Series, units: Units) -> None:
    """Draw the bars and the curve of every Gaussian, and the threshold of pruning."""
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
