"""Figure 3 of the paper: covariance spectra of all models on images and on noise, with the fitted power laws."""

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes

from eigencode.report._numbers import ranged
from eigencode.report.figures import _laws as laws
from eigencode.report.figures.plot import Plot
from eigencode.report.view import PALETTE, Series, View
from eigencode.spectra.spectrum import Spectrum


def spectra(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per spectrum; thin lines are further seeds, the dotted line is the mean fit over its window."""
    found = view.each("spectrum", data, lambda name: view.found(data, Spectrum, quantity=name))
    if not found:
        return
    every = [s for several in found.values() for _, records in several for s in records]
    plot = Plot(view, len(found), 2.9)
    plot.legend = False
    plot.more = {"grid": laws.common_grid(view, every), "spectra": []}
    for axes, (name, several) in zip(plot.panels, found.items(), strict=True):
        for series, records in several:
            _draw(plot, axes, series, records, name, len(every))
            for control in series.load(Spectrum, kind="shuffled"):
                values = control.eigenvalues / records[0].eigenvalues[0]
                plot.line(axes, series, *laws.points(values, len(every)), color=PALETTE[0], marker=".", ls="", ms=2)
                axes.annotate("dots: stimuli shuffled", (0.98, 0.95), xycoords="axes fraction", ha="right", fontsize=6)
        laws.spectrum_axes(axes, name, (laws.smallest(spectrum) for _, records in several for spectrum in records))
        plot.legend |= not laws.list_laws(plot, axes, plot.more["spectra"])
    yield plot


def _draw(plot: Plot, axes: Axes, series: Series, records: list[Spectrum], name: str, lines: int) -> None:
    fit = series.run.fits[name]
    axes.set(xscale="log", yscale="log")
    for i, spectrum in enumerate(records):
        shown = laws.points(spectrum.eigenvalues / spectrum.eigenvalues[0], lines)
        plot.line(axes, series, *shown, seed=spectrum.seed, faint=i > 0)
    entry: dict[str, Any] = {"m": series.where[0], "r": series.where[1], "p": plot.panels.index(axes), **fit}
    entry["sums"] = [laws.packed_sums(spectrum, plot.more["grid"]) for spectrum in records]
    found = [law for s in records if (law := laws.law_of(s, fit["window"], fit["weights"]))]
    if found:
        alpha = {"alpha": fmean(law.alpha for law in found), "intercept": fmean(law.intercept for law in found)}
        told = next(iter(series.numbers(name, "summary")), None)
        words = ranged(told["mean"], told["low"], told["high"]) if told else f"{alpha['alpha']:.4g}"
        laws.law_line(plot, axes, series, fit["window"], **alpha)
        entry |= {"fit": len(plot.marks) - 1, "told": (series.label, words)}
    plot.more["spectra"].append(entry)
