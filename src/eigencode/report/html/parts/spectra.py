"""Spectra in a form from which the page fits power laws exactly, over any window of a grid of ranks.

Least squares only needs sums over the window, so the page gets cumulative sums at the ranks of a grid instead of every
eigenvalue: with y = log(λₙ/λ₁) and x = log n, the sums of y and xy with equal weights, and of both with weights 1/n.
The slope over any two ranks of the grid is then that of all ranks between them, to the rounding of float64.
"""

from typing import Any

import numpy as np

from eigencode.report.html._thinned import packed, picked, room
from eigencode.report.html.shown import Shown
from eigencode.spectra.spectrum import Spectrum
from eigencode.spectra.windows import grid

CHARACTERS, EACH = 1_200_000, 10 * 8 * 4 / 3
SMALLEST, LARGEST = 14, 160


def spectra(shown: Shown) -> dict[str, Any]:
    """Data of the spectra: `grid` of ranks, and `entries` per run, data set, model and spectrum.

    `packed`: rows y, Σy, Σxy, Σy/n, Σxy/n at the grid ranks before the first eigenvalue that is not positive, as
    measured and again freed of the bias of finite sampling (NaN from the first rank where it is unknown).
    `floor`: number of eigenvalues above the rounding floor.
    """
    found = list(shown.found("spectrum", Spectrum))
    total = sum(len(records) for *_, records in found)
    ranks = common_grid(found, shown, room(CHARACTERS, total, EACH, SMALLEST, LARGEST))
    at_most = room(CHARACTERS, len(found) * len(ranks), EACH, 1, 1000)
    entries = []
    for item, quantity, records in found:
        kept = [records[i] for i in picked(len(records), max(2, at_most))]
        entry = {
            **item.entry(shown.quantities.index(quantity)),
            **{name: item.run.fits[quantity][name] for name in ("window", "weights")},
            "seeds": len(records),
            "spectra": [one(s, ranks) for s in kept],
        }
        entries.append(entry)
    return {"grid": ranks, "entries": entries}


def common_grid(found: list[Any], shown: Shown, points: int) -> list[int]:
    """Ranks evenly spaced in log rank, the last ranks of the spectra, and the ends of the windows of the studies."""
    lengths = {len(s.eigenvalues) for *_, records in found for s in records}
    ends = {int(n) for run in shown.runs for fit in run.fits.values() for n in fit["window"]}
    return sorted({*grid(max(lengths, default=1), points), *lengths, *ends})


def one(spectrum: Spectrum, ranks: list[int]) -> dict[str, Any]:
    """Data of one spectrum, see `spectra`."""
    values = spectrum.eigenvalues.numpy()
    positive = len(values) if (values > 0).all() else int(np.argmin(values > 0))
    kept = [n - 1 for n in ranks if n <= positive]
    n = np.arange(1, positive + 1, dtype=np.float64)
    y, x = np.log(values[:positive] / values[0]) if positive else n, np.log(n)
    bias = np.full(positive, np.nan)
    known = spectrum.logs.bias[:positive].numpy()
    bias[: len(known)] = known
    both = [(z, *(np.cumsum(row) for row in (z, x * z, z / n, x * z / n))) for z in (y, y - bias)]
    rows = np.stack([row for rows in both for row in rows])[:, kept]
    return {"seed": spectrum.seed, "ranks": len(values), "floor": spectrum.n_above_floor, "packed": packed(rows)}
