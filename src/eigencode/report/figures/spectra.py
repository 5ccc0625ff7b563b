"""Figure 3 of the paper: covariance spectra of all models on images and on noise, with the fitted power laws."""

from typing import Any

import torch
from matplotlib.figure import Figure

from eigencode.base.errors import InputError
from eigencode.report.figures._style import DATA, PALETTE, colours, grid, label
from eigencode.report.run import StudyRun
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum

COLUMNS = 3

RELATIVE = "eigenvalue λₙ / λ₁"
LOWEST, HIGHEST = 1e-9, 3.0
"""Limits of the axis of λₙ / λ₁; values below are rounding errors or silent units."""


def spectra(run: StudyRun, data: str) -> Figure | None:
    """Plot one panel per spectrum of the study; thin lines are seeds, dashed lines the fits over their window."""
    names = run.quantities("spectrum")
    if not names:
        return None
    beside = 2 if len(names) < COLUMNS else 1
    height = 2.4 + 0.13 * -(-(1 + len(run.models)) // beside)
    figure, panels = grid(len(names), height, COLUMNS, sharey=True, ylabel=RELATIVE)
    colour = {"data": DATA, **colours(run.models)}
    for axes, name in zip(panels.ravel(), names, strict=False):
        for model in ("data", *run.models):
            found = run.load(Spectrum, data=data, model=model, quantity=name)
            fits = [fit for spectrum in found if (fit := _draw(axes, spectrum, run.fits[name], colour[model]))]
            if found:
                mean = f"  α = {sum(f.alpha for f in fits) / len(fits):.2f}" if fits else ""
                axes.plot([], [], color=colour[model], label=label(model) + mean)
        for control in run.load(Spectrum, data=data, kind="shuffled"):
            first = run.load(Spectrum, data=data, kind="spectrum", quantity=name)[0].eigenvalues[0]
            _points(axes, control.eigenvalues / first, PALETTE[0], ls="", marker=".", ms=2)
            axes.plot([], [], ".", color=PALETTE[0], label="stimuli shuffled")
        axes.set_title(label(name))
        axes.set_xlabel("rank n")
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, LOWEST), min(high, HIGHEST))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=beside, columnspacing=1, fontsize=6)
    return figure


def _draw(axes, spectrum: Spectrum, settings: dict[str, Any], colour: str) -> PowerLaw | None:  # type: ignore[no-untyped-def]
    """Plot eigenvalues and the fitted power law; return the fit, or None if it is not possible."""
    _points(axes, spectrum.eigenvalues / spectrum.eigenvalues[0], colour, lw=0.9, alpha=0.7)
    window = tuple(settings["window"])
    try:
        law = spectrum.power_law(window=window, weights=settings["weights"])
    except InputError:  # the table gives the reason
        return None
    n = torch.tensor([float(window[0]), float(window[1])])
    axes.loglog(n, torch.exp(torch.tensor(law.intercept)) * n**-law.alpha, color=colour, ls="--", lw=1.4)
    return law


def _points(axes, values: torch.Tensor, colour: str, **look: Any) -> None:  # type: ignore[no-untyped-def]
    """The values above zero over their ranks."""
    shown = values > 0
    axes.loglog(torch.arange(1, len(values) + 1)[shown], values[shown], color=colour, **look)
