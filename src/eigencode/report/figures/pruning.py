"""Figure A1 of the paper: variances and weights of pruned and kept units, and spectra before and after pruning."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from eigencode.measures.pruning import Units
from eigencode.report.figures._style import DOUBLE, PALETTE, label, lines_of
from eigencode.report.figures.receptive_fields import draw_weight, image_shape
from eigencode.report.figures.spectra import LOWEST
from eigencode.report.run import StudyRun, arrays
from eigencode.spectra.spectrum import Spectrum

BARS = 40
EXAMPLES = 4
BESIDE = 2
COLUMNS = 3
HEIGHT = 2.2
COMPONENTS = (PALETTE[1], PALETTE[3], PALETTE[6], PALETTE[4])
"""Colours of the Gaussians, from the smallest variance to the largest."""


def pruning(run: StudyRun, data: str) -> Figure | None:
    """Plot, per pruned model (first seed), log variances by Gaussian, weights of units, and spectra before and after.

    Up to `BESIDE` spectra are in the same row, more in rows below it.
    """
    kept = {m: run.load(Units, data=data, model=m, kind="pruning") for m in run.models}
    found = {m: several[0] for m, several in kept.items() if several}
    if not found:
        return None
    spectra = [n for n in run.quantities("spectrum") if f"{n}, raw" in run.quantities("raw")]
    below = lines_of(spectra, COLUMNS) if len(spectra) > BESIDE else []
    beside = [] if below else spectra
    figure = Figure(figsize=(DOUBLE, HEIGHT * len(found) * (1 + len(below))))
    for part, (model, units) in zip(figure.subfigures(len(found), 1, squeeze=False)[:, 0], found.items(), strict=True):
        first, *rest = part.subfigures(1 + len(below), 1, squeeze=False)[:, 0]
        bars, weights, *others = first.subfigures(
            1, 2 + bool(beside), width_ratios=[1.2, 0.8, len(beside)][: 2 + bool(beside)]
        )
        _histogram(bars.subplots(), units, label(model))
        _examples(weights, run, data, model, units)
        for line, names in [*zip(others, [beside]), *zip(rest, below)]:
            panels = line.subplots(1, COLUMNS if below else len(names), squeeze=False)[0]
            for axes in panels[len(names) :]:
                axes.set_axis_off()
            for axes, name in zip(panels, names, strict=False):
                _spectra(axes, run, {"data": data, "model": model}, name)
    return figure


def _histogram(axes: Axes, units: Units, name: str) -> None:
    values = units.log_variance
    low, high = float(values.min()), float(values.max())
    edges = torch.linspace(low - 1e-6, max(high, low + 1e-3) + 1e-6, BARS + 1, dtype=torch.float64)
    line = torch.linspace(float(edges[0]), float(edges[-1]), 400, dtype=torch.float64)
    for i in range(len(units.mean)):
        colour = COMPONENTS[i % len(COMPONENTS)]
        chosen = values[units.component == i]
        axes.hist(chosen.numpy(), bins=edges.tolist(), color=colour, alpha=0.5, label=f"Gaussian {i + 1}")
        density = torch.exp(-0.5 * ((line - units.mean[i]) / units.deviation[i]) ** 2)
        height = units.weight[i] * len(values) * (edges[1] - edges[0]) / (units.deviation[i] * (2 * torch.pi) ** 0.5)
        axes.plot(line, height * density, color=colour, lw=1)
    if bool(torch.isfinite(torch.tensor(units.threshold))):
        axes.axvline(units.threshold, color="black", lw=0.8, ls="--")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 3 * len(values))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("log variance of the weights")
    axes.set_ylabel("units")
    axes.set_title(f"{name}: {units.n_kept} kept, {units.n_pruned} pruned\n{units.n_unconverged} not converged")
    axes.legend(loc="upper center", handlelength=1, fontsize=6)


def _examples(figure, run: StudyRun, data: str, model: str, units: Units) -> None:  # type: ignore[no-untyped-def]
    """Plot weights of pruned units, by falling variance, above those of kept units, by wins."""
    folder = run.locally_trained(data, model)[0]
    found, shape = arrays(folder), image_shape(folder)
    order = units.log_variance.argsort(descending=True)
    pruned = order[~units.kept[order]][:EXAMPLES]
    order = found["encoder.wins"].argsort(descending=True)
    kept = order[units.kept[order]][:EXAMPLES]
    panels = figure.subplots(4, 2)
    for axes in panels.ravel():
        axes.set_axis_off()
    for title, chosen, rows in (("pruned", pruned, panels[:2]), ("kept", kept, panels[2:])):
        rows[0, 0].set_title(title if len(chosen) else f"none {title}", loc="left")
        for axes, weight in zip(rows.ravel(), found["encoder.weight"][chosen], strict=False):
            draw_weight(axes, weight.reshape(shape))


def _spectra(axes: Axes, run: StudyRun, where: dict[str, str], name: str) -> None:
    """Plot absolute eigenvalues before and after pruning; they are not relative to λ₁, which pruning changes."""
    before = ("before pruning", f"{name}, raw", PALETTE[2], 2.6)
    for title, quantity, colour, width in (before, ("pruned", name, PALETTE[1], 1.0)):
        for spectrum in run.load(Spectrum, quantity=quantity, **where)[:1]:
            values: Tensor = spectrum.eigenvalues
            shown = values > max(spectrum.floor, LOWEST * float(values[0]))
            ranks = torch.arange(1, len(values) + 1)
            axes.loglog(ranks[shown], values[shown], color=colour, lw=width, label=title)
    axes.set_title(label(name))
    axes.set_xlabel("rank n")
    axes.set_ylabel("eigenvalue λₙ")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", handlelength=1, fontsize=6)
