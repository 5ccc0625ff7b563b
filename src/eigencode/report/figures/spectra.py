"""Figure 3 of the paper: covariance spectra of all models on images and on noise, with the fitted power laws."""

import torch
from matplotlib.figure import Figure

from eigencode.report.figures.style import DATA, DOUBLE, colours
from eigencode.report.run import StudyRun
from eigencode.spectra.spectrum import Spectrum


def spectra(run: StudyRun, data: str) -> Figure | None:
    """One panel per spectrum of the study; thin lines are seeds, dashes the fit over its window."""
    names = run.quantities("spectrum")
    if not names:
        return None
    figure = Figure(figsize=(DOUBLE, 2.9))
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    colour = {"data": DATA, **colours(run.models)}
    settings = dict(zip(names, run.results["study"]["spectra"], strict=True))
    for axes, name in zip(panels, names, strict=True):
        for model in ("data", *run.models):
            found = run.load(Spectrum, data=data, model=model, quantity=name)
            alphas = []
            for spectrum in found:
                values = spectrum.eigenvalues / spectrum.eigenvalues[0]
                shown = values > 0
                ranks = torch.arange(1, len(values) + 1)
                axes.loglog(ranks[shown], values[shown], color=colour[model], lw=0.9, alpha=0.7)
                window = tuple(settings[name]["window"])
                law = spectrum.power_law(window=window, weights=settings[name]["weights"])
                alphas.append(law.alpha)
                n = torch.tensor([float(window[0]), float(window[1])])
                line = torch.exp(torch.tensor(law.intercept)) * n**-law.alpha
                axes.loglog(n, line, color=colour[model], ls="--", lw=1.4)
            if alphas:
                mean = sum(alphas) / len(alphas)
                axes.plot([], [], color=colour[model], label=f"{model}  α = {mean:.2f}")
        axes.set_title(name)
        axes.set_xlabel("rank n")
        axes.set_ylim(bottom=1e-9)
        axes.legend(loc="lower left")
    panels[0].set_ylabel("eigenvalue λₙ / λ₁")
    return figure
