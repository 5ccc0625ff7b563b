"""Dependence of α on the window: local slopes, and α over all windows."""

from collections.abc import Iterator

import torch

from eigencode.report.figures._style import label, log_axes, log_axis
from eigencode.report.figures.plot import Plot, thinned
from eigencode.report.view import View
from eigencode.spectra.spectrum import Spectrum

ENOUGH = 8
"""Smallest number of ranks above the rounding floor for a local slope."""

LINES, MOST = 60, 12
"""Most models of a panel of slopes, and most maps of a figure; a page of many runs shows the first ones."""


def slopes(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel of local slopes per spectrum of the study, with the 95 % band of the first seed."""
    found = view.each("spectrum", data, lambda name: _long(view, data, name)[:LINES])
    if not found:
        return
    plot = Plot(view, len(found), 2.4)
    lines = sum(len(records) for several in found.values() for _, records in several)
    for axes, (name, several) in zip(plot.panels, found.items(), strict=True):
        axes.axvspan(*several[0][0].run.fits[name]["window"], color="0.93", lw=0)
        for series, records in several:
            for i, spectrum in enumerate(records):
                slope = spectrum.local_slope()
                chosen = thinned(len(slope.rank), lines)
                x, y, low, high = (v[chosen] for v in (slope.rank, slope.alpha, slope.low, slope.high))
                known = i == 0 and bool(torch.isfinite(low).any())
                band = (low, high) if known else (None, None)
                plot.line(axes, series, x, y, low=band[0], high=band[1], seed=spectrum.seed, faint=i > 0)
        axes.set(title=label(name), xlabel="rank n", ylabel="local slope −d log λ / d log n", ylim=(-0.5, 6))
        log_axis(axes.xaxis)
    yield plot


def windows(view: View, data: str) -> Iterator[Plot]:
    """Plot α over all windows, per spectrum one map per model (first seed) on one colour scale."""
    for name in view.quantities("spectrum", data):
        long = _long(view, data, name)
        maps = [(s, spectra[0].seed, spectra[0].window_map(points=25)) for s, spectra in long[:MOST]]
        if not maps:
            continue
        plot = Plot(view, len(maps), 1.9, columns=4, caption=name)
        plot.legend = False
        plot.left_out(len(long) - MOST)
        values = torch.cat([m.alpha[torch.isfinite(m.alpha)] for *_, m in maps])
        low, high = (float(v) for v in values.quantile(torch.tensor([0.02, 0.98], dtype=values.dtype)))
        for axes, (series, seed, shown) in zip(plot.panels, maps, strict=True):
            axes.set(xscale="log", yscale="log", title=label(series.label, 24), xlabel="first rank", ylabel="last rank")
            look = {"vmin": low, "vmax": high, "cmap": "viridis"}
            mesh = plot.map(axes, series, shown.n_min, shown.n_max, shown.alpha, "α", seed, **look)
            axes.plot(*series.run.fits[name]["window"], "x", color="#D55E00", ms=5)
            known = torch.isfinite(shown.alpha)
            axes.set_xlim(0.8, 1.2 * float(shown.n_min[known.any(1)][-1]))
            axes.set_ylim(0.9 * float(shown.n_max[known.any(0)][0]), 1.1 * float(shown.n_max[-1]))
            log_axes(axes)
        plot.figure.colorbar(mesh, ax=plot.panels, label=label(name), shrink=0.8)
        yield plot


def _long(view: View, data: str, name: str) -> list:
    """The models with spectra that are long enough, and these."""
    found = (
        (s, [r for r in kept if len(r.logs.values) >= ENOUGH]) for s, kept in view.found(data, Spectrum, quantity=name)
    )
    return [(series, records) for series, records in found if records]
