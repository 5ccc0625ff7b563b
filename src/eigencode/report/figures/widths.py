"""Spectra of nested sets of units: dependence of the power law on their number."""

import matplotlib
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from eigencode.base.errors import InputError
from eigencode.measures.widths import Widths
from eigencode.report.figures._style import grid, label, legend_below, lowest
from eigencode.report.figures.spectra import HIGHEST, LOWEST, RELATIVE
from eigencode.report.run import StudyRun
from eigencode.spectra.spectrum import Spectrum

COLUMNS = 4


def widths(run: StudyRun, data: str) -> Figure | None:
    """Plot one panel per model and spectrum, first seed: a line, dashed fit and exponent per number of units.

    The fit ends at the study's n_max or at half of the units, whichever comes first.
    """
    first = {(c["quantity"], c["model"]) for c in run.cells(data=data, kind="widths")}
    if not first:
        return None
    names = [n for n in run.quantities("widths") if any(n == q for q, _ in first)]
    models = [m for m in run.models if any(m == k for _, k in first)]
    shown = [(n, m) for n in names for m in models if (n, m) in first]
    columns = min(COLUMNS, len(models))
    figure, panels = grid(len(shown), 2.2, columns, sharex=True, sharey=True, ylabel=RELATIVE)
    for axes, (name, model) in zip(panels.ravel(), shown, strict=False):
        found = run.load(Widths, data=data, model=model, quantity=name)[0]
        _panel(axes, found.spectra, run.fits[name]["window"])
        axes.set_title(f"{label(model)}\n{label(name)}")
    for axes in lowest(panels, len(shown)):
        axes.set_xlabel("rank n")
    legend_below(figure, panels[0, 0], columns=7)
    return figure


def _panel(axes, parts: tuple[Spectrum, ...], window: list[int]) -> None:  # type: ignore[no-untyped-def]
    colours = [to_hex(c) for c in matplotlib.colormaps["viridis"](torch.linspace(0, 0.85, len(parts)).numpy())]
    fitted: dict[Line2D, str] = {}
    for spectrum, colour in zip(parts, colours, strict=True):
        values = spectrum.eigenvalues / spectrum.eigenvalues[0]
        ranks = torch.arange(1, len(values) + 1)
        shown = values > 0
        used = (window[0], min(window[1], spectrum.n_units // 2))
        try:
            law = spectrum.power_law(used)
        except InputError:  # too few units for this window
            law = None
        (line,) = axes.loglog(ranks[shown], values[shown], color=colour, lw=0.9, label=f"{spectrum.n_units} units")
        if law:
            n = torch.tensor([float(used[0]), float(used[1])])
            axes.loglog(n, torch.exp(torch.tensor(law.intercept)) * n**-law.alpha, color=colour, ls="--", lw=0.9)
            fitted[line] = f"{law.alpha:.2f}"
    axes.set_ylim(LOWEST, HIGHEST)
    if fitted:
        style = {"handlelength": 0, "handletextpad": 0, "labelcolor": "linecolor", "fontsize": 6}
        axes.legend(list(fitted), list(fitted.values()), title="α", title_fontsize=6, loc="best", **style)
