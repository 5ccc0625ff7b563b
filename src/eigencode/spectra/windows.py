"""Dependence of α on the window: map over all windows, local slope, and an automatic window."""

import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.spectra._logs import Logs
from eigencode.spectra.power_law import Window, fit_weights, slope_row

Z95 = 1.959964

STRAIGHT = 0.1
"""A window is straight if the slopes of its halves differ by less than this fraction of α."""

SHORTEST = 5.0
"""Smallest n_max / n_min of an automatic window."""


@dataclass(frozen=True)
class WindowMap(Record):
    """α over every window n_min..n_max of a grid of ranks; NaN where n_max / n_min < 2.

    `alpha`, `plain`, `standard_error`: see `PowerLaw`; `bend`: α of the second half of the window minus that of the
    first, halves of equal length in log rank.
    """

    n_min: Int[Tensor, " n_min"]
    n_max: Int[Tensor, " n_max"]
    alpha: Float[Tensor, "n_min n_max"]
    plain: Float[Tensor, "n_min n_max"]
    standard_error: Float[Tensor, "n_min n_max"]
    bend: Float[Tensor, "n_min n_max"]
    weights: str

    def spread(self, window: Window, factor: float = 2.0) -> tuple[float, float]:
        """Smallest and largest α over windows whose ends are within a factor of those of `window`."""
        admit(WindowMap.spread, locals())
        if not factor >= 1:
            raise InputError("no such factor", got=factor, wanted="factor >= 1")
        near = [
            (grid >= end / factor) & (grid <= end * factor)
            for grid, end in ((self.n_min, window[0]), (self.n_max, window[1]))
        ]
        found = self.alpha[near[0]][:, near[1]]
        found = found[torch.isfinite(found)]
        return (float(found.min()), float(found.max())) if len(found) else (math.nan, math.nan)


@dataclass(frozen=True)
class LocalSlope(Record):
    """Local slope −d log λ / d log n from ranks within a factor exp(width / 2), with 95 % interval over images."""

    rank: Int[Tensor, " rank"]
    alpha: Float[Tensor, " rank"]
    low: Float[Tensor, " rank"]
    high: Float[Tensor, " rank"]
    width: float


def window_map(logs: Logs, weights: str, points: int = 30) -> WindowMap:
    """Fit α over all windows whose ends are among about `points` ranks, evenly spaced in log rank."""
    ranks = grid(len(logs.values), max(points, 0))
    shape = (len(ranks), len(ranks))
    pairs = [(i, j) for i, low in enumerate(ranks) for j, high in enumerate(ranks) if _wide(low, high)]
    if points < 2 or not pairs:
        raise InputError("no window to fit", got=f"{points} points", wanted="at least 2", fix="points=30")
    rows = torch.stack([placed((ranks[i], ranks[j]), weights, len(logs.values)) for i, j in pairs])
    bends = torch.stack([bend_row((ranks[i], ranks[j]), weights, len(logs.values)) for i, j in pairs])
    found = {
        "alpha": logs.linear(rows),
        "plain": rows @ logs.values,
        "standard_error": logs.deviation(rows),
        "bend": logs.linear(bends),
    }
    where = tuple(torch.tensor(pairs).T)
    ends = torch.tensor(ranks)
    return WindowMap(
        n_min=ends,
        n_max=ends.clone(),
        weights=weights,
        **{k: torch.full(shape, math.nan, dtype=torch.float64).index_put(where, v) for k, v in found.items()},
    )


def local_slope(logs: Logs, width: float = 1.0) -> LocalSlope:
    """Fit local lines with uniform weights to log λ, at ranks with at least 3 others in their window."""
    if not 0 < width < 20:
        raise InputError("no such width of a local slope", got=width, wanted="0 < width < 20")
    ranks = torch.arange(1, len(logs.values) + 1, dtype=torch.float64)
    centres = torch.tensor(grid(len(ranks), 100))
    reach = math.exp(width / 2)
    windows = [(max(1, math.ceil(n / reach)), min(len(ranks), math.floor(n * reach))) for n in centres.tolist()]
    kept = torch.tensor([high - low >= 3 for low, high in windows])
    if not bool(kept.any()):
        got = f"width {width} for {len(ranks)} ranks"
        raise InputError("no rank has three others in its window", got=got, wanted="a wider one, or more ranks")
    rows = torch.stack([placed(w, "uniform", len(ranks)) for w, k in zip(windows, kept.tolist(), strict=True) if k])
    alpha, half = logs.linear(rows), Z95 * logs.deviation(rows)
    half = half.masked_fill((rows.ne(0) & logs.bias.isnan()).any(1), math.nan)
    return LocalSlope(centres[kept], alpha, alpha - half, alpha + half, width)


def automatic(logs: Logs, weights: str, n_min: int = 1) -> Window:
    """Find the widest window, in log rank, that is straight.

    Of all windows of a grid of 60 ranks with n_max / n_min ≥ 5, inside ranks n_min .. half of the ranks (the last ones
    are bent by sampling), those are kept in which the slopes of the two halves (of equal length in log rank) differ
    by less than a tenth of α or by less than two standard errors.  The widest in log rank is chosen; of equally wide
    ones that with the smaller n_min.

    Raises:
        InputError: no such window: the spectrum is bent everywhere.
    """
    ranks = [n for n in grid(max(1, len(logs.values) // 2), 60) if n >= n_min]
    windows = [(a, b) for a in ranks for b in ranks if b >= SHORTEST * a and b - a >= 8]
    if windows:
        total = len(logs.values)
        bend = torch.stack([bend_row(w, weights, total) for w in windows])
        slope = logs.linear(torch.stack([placed(w, weights, total) for w in windows]))
        tolerance = (STRAIGHT * slope.abs()).maximum(2 * logs.deviation(bend).nan_to_num(0))
        straight = logs.linear(bend).abs() <= tolerance
        kept = [w for w, ok in zip(windows, straight.tolist(), strict=True) if ok]
        if kept:
            return max(kept, key=lambda w: (math.log(w[1] / w[0]), -w[0]))
    raise InputError(
        "no window of this spectrum is straight",
        got=f"{len(windows)} windows tried, {len(logs.values)} ranks above the rounding floor",
        wanted="slopes of both halves within a tenth of each other over a factor of 5 in rank",
        fix="look at spectrum.local_slope(); a power law may be the wrong model",
    )


def placed(window: Window, weights: str, total: int) -> Float[Tensor, " total"]:
    """Coefficients a of α = Σ aₙ log λₙ for the fit over `window`, zero outside."""
    n = torch.arange(window[0], window[1] + 1, dtype=torch.float64)
    row = torch.zeros(total, dtype=torch.float64)
    row[window[0] - 1 : window[1]] = slope_row(n, fit_weights(n, weights))
    return row


def bend_row(window: Window, weights: str, total: int) -> Float[Tensor, " total"]:
    """Coefficients of the bend: α over the second half of the window minus α over the first."""
    first, second = parts(window, 2)
    return placed(second, weights, total) - placed(first, weights, total)


def parts(window: Window, count: int) -> list[Window]:
    """Split a window into parts of equal length in log rank, of three ranks at least; neighbours share a rank.

    >>> parts((10, 90), 2)
    [(10, 30), (30, 90)]
    """
    low, high = window
    ends = [low]
    for i in range(1, count):
        cut = round(low * (high / low) ** (i / count))
        ends.append(min(max(cut, ends[-1] + 2), high - 2 * (count - i)))
    return list(itertools.pairwise([*ends, high]))


def near(window: Window, last: int, factor: float = 2.0) -> list[Window]:
    """Windows whose ends are within a factor of those of `window`: five ends each, as far as there are ranks."""
    steps = [factor ** (k / 2) for k in range(-2, 3)]
    lows, highs = (sorted({min(max(round(end * s), 1), last) for s in steps}) for end in window)
    return [(a, b) for a in lows for b in highs if _wide(a, b) or (a, b) == tuple(window)]


def grid(last: int, points: int, first: int = 1) -> list[int]:
    """About `points` different ranks from `first` to `last`, evenly spaced in log rank."""
    ends = math.log(first), math.log(max(first, last))
    return sorted({round(math.exp(v)) for v in torch.linspace(*ends, points, dtype=torch.float32).tolist()})


def _wide(low: int, high: int) -> bool:
    return high >= 2 * low and high - low >= 4
