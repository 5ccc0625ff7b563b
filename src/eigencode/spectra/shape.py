"""Shape of a spectrum over a window of ranks: how much its slope varies, as numbers with intervals."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record
from eigencode.base.seeding import stream
from eigencode.spectra._logs import Logs
from eigencode.spectra.power_law import Window, ranks
from eigencode.spectra.windows import grid, near, parts, placed

FEWEST = 7
"""Smallest number of ranks of a window that has a shape: three thirds of three ranks, whose ends coincide."""

TOLERANCE = 0.2
"""Range of local slopes, ± 0.1, within which a stretch of the spectrum counts as straight."""

WIDTH = 1.0
"""Width of a local slope in natural units of log rank."""

DRAWS = 2000
"""Draws of the sampling error for an interval."""


@dataclass(frozen=True)
class Shape(Record):
    """How far a spectrum is from a power law over `window`, in units of the exponent; each with a 95 % interval.

    `slopes`: −d log λ / d log n over the first, middle and last third of the window, of equal length in log rank.
    `slope_range`: the largest of them minus the smallest.
    `slope_change`: that of the last third minus that of the first; positive if the spectrum bends down.
    `window_range`: largest minus smallest α over windows whose ends are within a factor of 2 of this one.
    `straight`: decades, log₁₀ of a ratio of ranks, of the longest stretch inside the window in which the local slope
    (from ranks within a factor e^½) stays within ± 0.1.

    A power law has ranges of 0 and is straight over the whole window.  Unlike a test, which with enough images rejects
    every real spectrum, these numbers do not grow with the number of images and can be compared between networks.

    A range is off by at most the largest difference between the errors of any two slopes.  Its interval is as wide as
    this difference in 95 % of draws of the sampling error, so it covers at least as often; so does that of `straight`.
    An interval is NaN where the sampling error or the bias of a slope is not known, see `Spectrum`.
    """

    slopes: tuple[Estimate, Estimate, Estimate]
    slope_range: Estimate
    slope_change: Estimate
    window_range: Estimate
    straight: Estimate
    window: tuple[int, int]
    weights: str

    def __str__(self) -> str:
        return f"slopes of the thirds {', '.join(f'{float(s):.3g}' for s in self.slopes)}, range {self.slope_range}"


def shape(logs: Logs, window: Window, weights: str) -> Shape:
    """Measure the shape of a spectrum from its log eigenvalues.

    Raises:
        InputError: a window of fewer than 7 ranks, or beyond the ranks above the rounding floor.
    """
    logs, total = logs.testable, len(logs.values)
    if len(ranks(window, total)) < FEWEST:
        raise InputError(
            "too few ranks for the shape of a spectrum",
            got=f"ranks {window[0]}..{window[1]}",
            wanted=f"at least {FEWEST}",
            fix=f"for example window=({(first := min(window[0], total - FEWEST + 1))}, {first + FEWEST - 1})"
            if total >= FEWEST
            else "more units, or more samples",
        )
    rows = third_rows(window, weights, total)
    slopes = _linear(logs, torch.cat([rows, rows[2:] - rows[:1]]))
    around = torch.stack([placed(w, weights, total) for w in near(window, total)])
    return Shape(
        slopes=(slopes[0], slopes[1], slopes[2]),
        slope_range=_range(logs, rows),
        slope_change=slopes[3],
        window_range=_range(logs, around),
        straight=_straight(logs, window, total),
        window=window,
        weights=weights,
    )


def thirds(logs: Logs, window: Window, weights: str) -> tuple[float, ...]:
    """Slopes of the thirds of a window; empty if it has fewer than 7 ranks."""
    if window[1] - window[0] + 1 < FEWEST:
        return ()
    return tuple(logs.linear(third_rows(window, weights, len(logs.values))).tolist())


def third_rows(window: Window, weights: str, total: int) -> Float[Tensor, "3 ranks"]:
    """Coefficients of the slopes of the thirds."""
    return torch.stack([placed(part, weights, total) for part in parts(window, 3)])


def _linear(logs: Logs, rows: Float[Tensor, "k ranks"]) -> list[Estimate]:
    """Linear functions of log λ with normal intervals."""
    values, half = logs.linear(rows), 1.959964 * logs.deviation(rows)
    half = half.masked_fill((rows.ne(0) & ~torch.isfinite(logs.bias)).any(1), math.nan)
    how = "95 %, first-order influence of samples"
    return [Estimate(v, v - h, v + h, method=how) for v, h in zip(values.tolist(), half.tolist(), strict=True)]


def _range(logs: Logs, rows: Float[Tensor, "k ranks"]) -> Estimate:
    """Largest minus smallest of linear functions of log λ."""
    values, error = logs.linear(rows), _largest_error(logs, rows)
    found = float(values.max() - values.min())
    how = "95 % at least, by the largest difference of errors"
    return Estimate(found, max(0.0, found - error) if error == error else error, found + error, method=how)


def _largest_error(logs: Logs, rows: Float[Tensor, "k ranks"]) -> float:
    """95 % quantile of the largest difference between the errors of two of the functions; NaN if it is not known."""
    if not logs.known or not bool(torch.isfinite(logs.bias[rows.ne(0).any(0)]).all()):
        return math.nan
    effects = logs.effects @ rows.T
    noise = torch.randn(len(effects), DRAWS, effects.shape[1], dtype=torch.float64, generator=stream(0, "shape"))
    errors = (noise @ effects).sum(0) / math.sqrt(len(effects))
    return float((errors.amax(1) - errors.amin(1)).quantile(0.95))


def _straight(logs: Logs, window: Window, total: int) -> Estimate:
    """Decades of the longest stretch whose local slopes, from ranks inside the window, stay within the tolerance."""
    low, high = window
    reach = math.exp(WIDTH / 2)
    local = [(n, (max(low, math.ceil(n / reach)), min(high, math.floor(n * reach)))) for n in grid(high, 60, low)]
    kept = [(n, w) for n, w in local if w[1] - w[0] >= 3]
    if not kept:
        return Estimate(math.nan, method="no rank has three others within its local window")
    centres = torch.tensor([n for n, _ in kept], dtype=torch.float64)
    rows = torch.stack([placed(w, "uniform", total) for _, w in kept])
    values, error = logs.linear(rows), _largest_error(logs, rows)
    found, least, most = (_longest(centres, values, TOLERANCE + more) for more in (0.0, -error, error))
    return Estimate(found, least, most, method="95 % at least, by the largest difference of errors")


def _longest(centres: Tensor, slopes: Tensor, tolerance: float) -> float:
    """log₁₀ (last / first centre) of the longest stretch whose slopes differ by at most `tolerance`."""
    if math.isnan(tolerance):
        return math.nan
    best = 0.0
    for i in range(len(centres)):
        range_ = slopes[i:].cummax(0).values - slopes[i:].cummin(0).values
        last = i + int((range_ <= tolerance).sum()) - 1  # the range never falls along a stretch
        best = max(best, math.log10(float(centres[last] / centres[i]))) if last >= i else best
    return best
