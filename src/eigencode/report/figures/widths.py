"""Spectra of nested sets of units: dependence of the power law on their number."""

from collections.abc import Iterator
from typing import Any

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from eigencode.measures.widths import Widths
from eigencode.report.figures._laws import HIGHEST, LOWEST, RELATIVE, law_line, law_of, points
from eigencode.report.figures._style import label, log_axes
from eigencode.report.figures.plot import Plot
from eigencode.report.view import Series, View

ENOUGH = 12
"""Most panels of a figure."""


def widths(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per model and spectrum, first seed: a line, dotted fit and exponent per number of units.

    The fit ends at the study's n_max or at half of the units, whichever comes first.
    """
    names = view.quantities("widths", data)
    found = [(n, s, records[0]) for n in names for s, records in view.found(data, Widths, quantity=n)]
    for first in range(0, len(found), ENOUGH):
        some = found[first : first + ENOUGH]
        plot = Plot(view, len(some), 2.3)
        plot.legend = False
        for axes, (name, series, record) in zip(plot.panels, some, strict=True):
            _panel(plot, axes, series, record, series.run.fits[name])
            axes.set_title(f"{label(series.label)}\n{label(name)}")
        yield plot


def _panel(plot: Plot, axes: Axes, series: Series, record: Widths, fit: dict) -> None:
    shades = matplotlib.colormaps["viridis"](torch.linspace(0, 0.85, len(record.spectra)).numpy())
    axes.set(xscale="log", yscale="log")
    for spectrum, shade in zip(record.spectra, shades, strict=True):
        look: dict[str, Any] = {"color": to_hex(shade), "marker": "", "ls": "-", "lw": 0.9}
        line = plot.line(axes, series, *points(spectrum.eigenvalues / spectrum.eigenvalues[0], 50), **look)
        window = (fit["window"][0], min(fit["window"][1], spectrum.n_units // 2))
        law, told = law_of(spectrum, window, fit["weights"]), f"{spectrum.n_units} units"
        if law:
            law_line(plot, axes, series, window, law.alpha, law.intercept, color=look["color"], lw=1.4)
            told += f", α {law.alpha:.2f}"
        line.set_label(told)
    axes.set(xlabel="rank n", ylabel=RELATIVE)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, LOWEST), min(high, HIGHEST))
    log_axes(axes)
    axes.legend(loc="lower left", handlelength=1, fontsize=6)
