"""Power laws in figures, and spectra in a form from which the page fits them exactly over any window of a grid.

Least squares only needs sums over the window, so the page gets cumulative sums at the ranks of a grid instead of every
eigenvalue: with y = log(λₙ/λ₁) and x = log n, the sums of y and xy with equal weights, and of both with weights 1/n.
The slope over any two ranks of the grid is then that of all ranks between them, to the rounding of float64.
"""

import base64
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from eigencode.base.errors import InputError
from eigencode.report.figures._style import label, log_axes
from eigencode.report.figures.plot import Plot, thinned
from eigencode.report.view import Series, View
from eigencode.spectra.spectrum import Spectrum
from eigencode.spectra.windows import grid

RELATIVE = "eigenvalue λₙ / λ₁"
LOWEST, HIGHEST = 1e-9, 2.0
"""Limits of the axis of λₙ / λ₁; values below are rounding errors or silent units."""

LISTED = 8
"""Most models whose α is written into a panel."""

NAMED = 30
"""Most characters of a name and its exponent that fit into a panel."""

CHARACTERS, EACH = 1_200_000, 10 * 8 * 4 / 3
SMALLEST, LARGEST = 14, 160


def common_grid(view: View, found: list[Spectrum]) -> list[int]:
    """Ranks evenly spaced in log rank, the last ranks of the spectra, and the ends of the windows of the studies."""
    points = max(SMALLEST, min(LARGEST, int(CHARACTERS / (EACH * max(1, len(found))))))
    lengths = {len(s.eigenvalues) for s in found}
    ends = {int(n) for run in view.runs for fit in run.fits.values() for n in fit["window"]}
    return sorted({*grid(max(lengths, default=1), points), *lengths, *ends})


def packed_sums(spectrum: Spectrum, ranks: list[int]) -> dict[str, Any]:
    """Rows y, Σy, Σxy, Σy/n, Σxy/n at the ranks before the first eigenvalue that is not positive, as base64 of float64.

    First as measured, then freed of the bias of finite sampling (NaN from the first rank where it is unknown).
    `floor` is the number of eigenvalues above the rounding floor.
    """
    values = spectrum.eigenvalues.numpy()
    positive = len(values) if (values > 0).all() else int(np.argmin(values > 0))
    kept = [n - 1 for n in ranks if n <= positive]
    n = np.arange(1, positive + 1, dtype=np.float64)
    y, x = np.log(values[:positive] / values[0]) if positive else n, np.log(n)
    bias = np.full(positive, np.nan)
    known = spectrum.logs.bias[:positive].numpy()
    bias[: len(known)] = known
    both = [(z, *(np.cumsum(row) for row in (z, x * z, z / n, x * z / n))) for z in (y, y - bias)]
    rows = np.ascontiguousarray(np.stack([row for rows in both for row in rows])[:, kept], dtype="<f8")
    return {"floor": spectrum.n_above_floor, "packed": base64.b64encode(rows.tobytes()).decode()}


def law_line(plot: Plot, axes: Axes, series: Series, window: Any, alpha: float, intercept: float, **look: Any) -> None:
    """Draw a power law over its window."""
    n = torch.tensor([float(window[0]), float(window[1])], dtype=torch.float64)
    look = {"color": series.colour, "ls": ":", "lw": 1.6, **look}
    plot.mark(axes.plot(n, math.exp(intercept) * n**-alpha, **look), axes, series)


def spectrum_axes(axes: Axes, name: str, ends: Iterable[float]) -> None:
    """Name and scale the axes of a panel of spectra; `ends` are the smallest eigenvalues to show."""
    axes.set(ylim=(max(0.3 * min(ends), LOWEST), HIGHEST), title=label(name), xlabel="rank n", ylabel=RELATIVE)
    log_axes(axes)


def list_laws(plot: Plot, axes: Axes, found: list[dict[str, Any]]) -> bool:
    """Write the exponents into a panel of spectra, unless they are too many; True if with the names of all models."""
    found = [e for e in found if e["p"] == plot.panels.index(axes) and "fit" in e]
    if not 0 < len(found) <= LISTED:
        return False
    told = [e.pop("told") for e in found]
    named = max(len("  ".join(words)) for words in told) <= NAMED
    texts = ["  ".join(words) if named else words[1] for words in told]
    handles = [plot.key(plot.marks[e["fit"]]["series"], text) for e, text in zip(found, texts, strict=True)]
    legend = axes.legend(handles=handles, loc="lower left", title="α", handlelength=1.6, fontsize=6, labelspacing=0.25)
    line: Any
    for entry, line, text in zip(found, legend.legend_handles, legend.get_texts(), strict=True):
        entry["key"] = f"key-{entry['m']}-in-{entry['p']}-{entry['r']}"
        line.set_gid(f"{entry['key']}-line")
        text.set_gid(entry["key"])
    return named


def law_of(spectrum: Spectrum, window: Any, weights: str) -> Any:
    """The power law over a window, or None if it is not possible; the table gives the reason."""
    try:
        return spectrum.power_law(window=(int(window[0]), int(window[1])), weights=weights)
    except InputError:
        return None


def points(values: torch.Tensor, lines: int, most: int = 320) -> tuple[torch.Tensor, torch.Tensor]:
    """At most `most` ranks evenly spaced in log rank whose values are positive, and their values."""
    ranks = torch.tensor(grid(len(values), min(most, 2 * len(thinned(10**6, lines)))))
    ranks = ranks[values[ranks - 1] > 0]
    return ranks, values[ranks - 1]


def smallest(spectrum: Spectrum) -> float:
    """The smallest eigenvalue to show: the last few above the rounding floor fall off a cliff."""
    return float(spectrum.eigenvalues[max(0, int(0.98 * spectrum.n_above_floor) - 1)] / spectrum.eigenvalues[0])
