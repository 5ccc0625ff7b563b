"""Dependence of α on the window: local slopes, and α over all windows."""

import numpy as np
import torch
from matplotlib.figure import Figure

from eigencode.report.figures._style import DATA, colours, grid, label, legend_below, lowest
from eigencode.report.run import StudyRun
from eigencode.spectra.spectrum import Spectrum

ENOUGH = 8
"""Smallest number of ranks above the rounding floor for a local slope."""


def slopes(run: StudyRun, data: str) -> Figure | None:
    """Plot one panel of local slopes per spectrum of the study, with the 95 % band of the first seed."""
    names = run.quantities("spectrum")
    found = {(n, m): run.load(Spectrum, data=data, model=m, quantity=n) for n in names for m in ("data", *run.models)}
    drawn = {key: [s for s in spectra if len(s.logs.values) >= ENOUGH] for key, spectra in found.items()}
    if not any(drawn.values()):
        return None
    figure, panels = grid(len(names), 2.4, sharey=True, ylabel="−d log λ / d log n")
    colour = {"data": DATA, **colours(run.models)}
    for axes, name in zip(panels.ravel(), names, strict=False):
        axes.axvspan(*run.fits[name]["window"], color="0.93", lw=0)
        for model in ("data", *run.models):
            for seed, spectrum in enumerate(drawn[name, model]):
                _slope(axes, spectrum, colour[model], label(model), first=seed == 0)
        axes.set_xscale("log")
        axes.set_ylim(-0.5, 6)
        axes.set_title(label(name))
        axes.set_xlabel("rank n")
    legend_below(figure, panels[0, 0])
    return figure


def _slope(axes, spectrum: Spectrum, colour: str, name: str, first: bool) -> None:  # type: ignore[no-untyped-def]
    found = spectrum.local_slope()
    axes.plot(found.rank, found.alpha, color=colour, lw=1, alpha=1 if first else 0.4, label=name if first else None)
    if first and bool(torch.isfinite(found.low).any()):
        axes.fill_between(found.rank, found.low, found.high, color=colour, alpha=0.2, lw=0)


def windows(run: StudyRun, data: str) -> Figure | None:
    """Plot α over all windows for the first spectrum of the study: one map per model (first seed), one colour scale."""
    names = run.quantities("spectrum")
    found = {
        model: spectra[0].window_map(points=25)
        for model in ("data", *run.models)
        if names and (spectra := run.load(Spectrum, data=data, model=model, quantity=names[0]))
        if len(spectra[0].logs.values) >= ENOUGH
    }
    if not found:
        return None
    figure, panels = grid(len(found), 2.0, columns=4, sharex=True, sharey=True, ylabel="n_max")
    values = torch.cat([m.alpha[torch.isfinite(m.alpha)] for m in found.values()])
    low, high = (float(v) for v in values.quantile(torch.tensor([0.02, 0.98], dtype=values.dtype)))
    chosen = run.fits[names[0]]["window"]
    for axes, (model, shown) in zip(panels.ravel(), found.items(), strict=False):
        edges = (_edges(shown.n_min), _edges(shown.n_max))
        axes.pcolormesh(*edges, shown.alpha.T.numpy(), vmin=low, vmax=high, cmap="viridis")
        axes.plot(*chosen, "x", color="#D55E00", ms=5)
        axes.set(xscale="log", yscale="log", title=label(model))
    for axes in lowest(panels, len(found)):
        axes.set_xlabel("n_min")
    figure.colorbar(panels[0, 0].collections[0], ax=panels.ravel().tolist(), label=label(names[0]), shrink=0.8)
    return figure


def _edges(ranks: torch.Tensor) -> np.ndarray:
    """Edges of map cells around ranks, halfway in log rank."""
    x = np.log(ranks.double().numpy())
    middle = (x[1:] + x[:-1]) / 2
    edges: np.ndarray = np.exp(np.concatenate([[x[0] - (middle[0] - x[0])], middle, [2 * x[-1] - middle[-1]]]))
    return edges
