"""Spectrum of a recording with its power law and, optionally, the shuffled control."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eigencode.report.figures.style import DATA, PALETTE, SINGLE, label
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum


def recorded(spectrum: Spectrum, law: PowerLaw, control: Spectrum | None, name: str) -> Figure:
    """Plot λₙ / λ₁ over rank, the fit over its window (dashed) and the control (grey dots)."""
    figure = Figure(figsize=(SINGLE, 2.8))
    axes = figure.subplots()
    first = float(spectrum.eigenvalues[0].abs())
    if control is not None:
        _draw(axes, control, first, PALETTE[0], "none", "stimuli shuffled")
    _draw(axes, spectrum, first, DATA, "-", "cvPCA" if spectrum.kind == "cvpca" else "covariance")
    n = torch.tensor([float(law.window[0]), float(law.window[1])])
    fit = torch.exp(torch.tensor(law.intercept)) * n**-law.alpha
    axes.plot(n, fit, color=PALETTE[2], ls="--", lw=1.6, label=f"α = {law.alpha:.2f}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rank n")
    axes.set_ylabel("eigenvalue λₙ / λ₁")
    axes.set_title(label(name))
    axes.legend(loc="lower left")
    return figure


def _draw(axes: Axes, spectrum: Spectrum, first: float, colour: str, line: str, name: str) -> None:
    """Plot the positive eigenvalues, with the number of the others in the legend."""
    values = spectrum.eigenvalues / first
    missing = int((values <= 0).sum())
    ranks = torch.arange(1, len(values) + 1)
    text = f"{name} ({missing} not positive)" if missing else name
    shown = values.where(values > 0, torch.nan)
    axes.plot(ranks, shown, color=colour, ls=line, lw=0.9, marker=".", ms=2, label=text)
