"""Figure 3 of the paper: covariance spectra of all models on images and on noise, with the fitted power laws."""

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes

from eigencode.report._numbers import ranged
from eigencode.report._results import finished
from eigencode.report.figures._laws import (
    HIGHEST,
    LOWEST,
    RELATIVE,
    common_grid,
    law_line,
    law_of,
    packed_sums,
    points,
    smallest,
)
from eigencode.report.figures._style import label, log_axis
from eigencode.report.figures.plot import Plot
from eigencode.report.view import PALETTE, Series, View
from eigencode.spectra.spectrum import Spectrum

LISTED = 8
"""Most models whose α is written into a panel."""


def spectra(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per spectrum; thin lines are further seeds, the dotted line is the mean fit over its window."""
    found = {n: view.found(data, Spectrum, quantity=n) for n in view.quantities("spectrum", data)}
    found = {n: several for n, several in found.items() if several}
    if not found:
        return
    every = [s for several in found.values() for _, records in several for s in records]
    ranks = common_grid(view, every)
    plot = Plot(view, len(found), 2.9)
    plot.more = {"grid": ranks, "spectra": []}
    for axes, (name, several) in zip(plot.panels, found.items(), strict=True):
        for series, records in several:
            _draw(plot, axes, series, records, name, ranks, len(every))
            for control in series.load(Spectrum, kind="shuffled"):
                values = control.eigenvalues / records[0].eigenvalues[0]
                plot.line(axes, series, *points(values, len(every)), color=PALETTE[0], marker=".", ls="", ms=2)
                axes.annotate("dots: stimuli shuffled", (0.98, 0.95), xycoords="axes fraction", ha="right", fontsize=6)
        ends = [smallest(spectrum) for _, records in several for spectrum in records]
        axes.set(ylim=(max(0.3 * min(ends), LOWEST), HIGHEST), title=label(name), xlabel="rank n", ylabel=RELATIVE)
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
        _list(plot, axes)
    plot.legend = any(axes.get_legend() is None for axes in plot.panels)
    yield plot


def _list(plot: Plot, axes: Axes) -> None:
    """List the exponents of a panel, unless they are too many."""
    found = [e for e in plot.more["spectra"] if e["p"] == plot.panels.index(axes) and "fit" in e]
    if not 0 < len(found) <= LISTED:
        return
    handles = [plot.key(plot.marks[e["fit"]]["series"], e.pop("told")) for e in found]
    legend = axes.legend(handles=handles, loc="lower left", title="α", handlelength=1.6, fontsize=6, labelspacing=0.25)
    line: Any
    for entry, line, text in zip(found, legend.legend_handles, legend.get_texts(), strict=True):
        entry["key"] = f"key-{entry['m']}-in-{entry['p']}-{entry['r']}"
        line.set_gid(f"{entry['key']}-line")
        text.set_gid(entry["key"])


def _draw(
    plot: Plot, axes: Axes, series: Series, records: list[Spectrum], name: str, ranks: list[int], lines: int
) -> None:
    fit = series.run.fits[name]
    axes.set(xscale="log", yscale="log")
    for i, spectrum in enumerate(records):
        plot.line(
            axes,
            series,
            *points(spectrum.eigenvalues / spectrum.eigenvalues[0], lines),
            seed=spectrum.seed,
            faint=i > 0,
        )
    sums = [packed_sums(s, ranks) for s in records]
    laws = [law for s in records if (law := law_of(s, fit["window"], fit["weights"]))]
    entry: dict[str, Any] = {
        "m": series.where[0],
        "r": series.where[1],
        "p": plot.panels.index(axes),
        **fit,
        "sums": sums,
    }
    if laws:
        alpha = {"alpha": fmean(law.alpha for law in laws), "intercept": fmean(law.intercept for law in laws)}
        rows = finished(series.run.results["summary"])
        told = next(
            (r for r in rows if (r["data"], r["model"], r["quantity"]) == (series.data, series.model, name)), None
        )
        words = ranged(told["mean"], told["low"], told["high"]) if told else f"{alpha['alpha']:.4g}"
        law_line(plot, axes, series, fit["window"], **alpha)
        entry |= {"fit": len(plot.marks) - 1, "told": f"{series.label}  {words}"}
    plot.more["spectra"].append(entry)
