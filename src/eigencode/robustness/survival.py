"""Kaplan-Meier quantiles of critical sizes with censored images, and Wilson intervals of shares."""

import math
import warnings

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri, stdtrit
from scipy.stats import CensoredData, ecdf
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.base.record import Estimate

SLACK = 0.05
"""An interval is given if the range of all values would cover with at least the confidence minus this."""

CELLS = 1 << 22
"""Numbers of a block of groups x sizes."""


def quantile(
    size: Float[Tensor, " image"],
    censored: Bool[Tensor, " image"],
    q: float = 0.5,
    confidence: float = 0.95,
    groups: Int[Tensor, " image"] | None = None,
) -> Estimate:
    """Kaplan-Meier quantile: the size at which a share `q` of the images is broken, with a log(−log) interval.

    Value: the first t with S(t) < 1 − q, or, where S equals 1 − q on an interval, its middle: without censoring and
    for q = 0.5 the ordinary median.  `inf` if so many images are censored that the share is never reached.  Bounds:
    the t at which the interval of S(t), S^exp(± z √V / log S), V Greenwood's sum Σ dᵢ / (nᵢ (nᵢ − dᵢ)), contains 1 − q
    (Kaplan and Meier 1958; Greenwood 1926; Brookmeyer and Crowley 1982); `inf` likewise.  Where no image is left, S = 0
    has no such interval: its bound is the exact binomial one of no image in n, 1 − (α/2)^(1/n).

    `groups`, a number per image, tells which images belong together.  V is then the variance of log S over groups,
    G / (G − 1) Σ_g (Σ_{i∈g} ψᵢ(t))² with ψᵢ the derivative of log S by the weight of image i, and z the t quantile of
    G − 1 degrees of freedom (Ying and Wei 1994; Williams 1995).  For independent images without censoring it is
    Greenwood's, but for the factor G / (G − 1).

    >>> print(quantile(torch.tensor([1.0, 2, 3, 9, 9]), torch.tensor([False, False, False, True, True])))
    3 [1, inf]
    """
    admit(quantile, locals())
    if not 0 < q < 1 or not 0 < confidence < 1:
        raise InputError("not a share", got=f"q={q}, confidence={confidence}", wanted="between 0 and 1")
    grouped = size.shape if groups is None else groups.shape
    if not size.shape == censored.shape == grouped or bool(size.isnan().any()):
        raise InputError(
            "sizes and censoring do not fit",
            got=f"{len(size)} sizes, {int(size.isnan().sum())} of them NaN, {len(censored)} marks of censoring"
            + f", {grouped[0]} groups" * (grouped != size.shape),
            wanted="one of each per image, no NaN",
        )
    size = size.detach()
    method = f"{confidence:.0%} log-log interval of the Kaplan-Meier {q:g} quantile"
    if len(size) == 0:
        return Estimate(math.nan, n=0, method=method)
    held, finite = censored | size.isinf(), size.double().clamp(max=torch.finfo(torch.float64).max)
    kept, broken = (finite[which].numpy() for which in (held, ~held))
    alive = ecdf(CensoredData(broken, right=kept)).sf
    together = Groups.of(groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # S = 1 and S = 0 have no interval
        if together is None:
            band = alive.confidence_interval(confidence, method="log-log")
            below, above = band.low.probabilities, band.high.probabilities
        else:
            below, above = _band(alive.quantiles, alive.probabilities, finite, held, together, confidence)
            method += f" over {together.count} groups"
    if alive.probabilities[-1] == 0:
        above = np.append(above[:-1], np.nanmin([_none_left(finite, held, together, confidence), *above[-2:-1]]))
    series = (alive.probabilities, below, above)
    value, low, high = (_crossing(alive.quantiles, np.where(np.isnan(s), series[0], s), 1 - q) for s in series)
    known, n = size[size.isfinite()], len(size)
    if value == math.inf and len(known):
        largest = float(known.max())
        low = min(low, largest)
        method += f"; the {q:g} quantile is beyond the largest size, {largest:.4g}: a lower bound only"
    if together is not None and together.too_few:
        low = high = math.nan
        method = f"no interval of the Kaplan-Meier {q:g} quantile: {together.too_few}"
    elif together is None and 1 - q**n - (1 - q) ** n < confidence - SLACK:
        low = high = math.nan
        method = f"no interval of the Kaplan-Meier {q:g} quantile: {n} image{'s are' if n > 1 else ' is'} too few"
    return Estimate(value, low, high, n, method)


def _none_left(size: Tensor, held: Tensor, groups: Groups | None, confidence: float) -> float:
    """Exact upper bound of S after the last size, at which no image was left.

    Of all images if none is censored; else of those left just before, since S is no larger than the share of them.
    """
    there = size >= size.max() if bool(held.any()) else torch.ones_like(held)
    n = int(there.sum()) if groups is None else int(torch.bincount(groups.of_row[there]).count_nonzero())
    return float(1 - ((1 - confidence) / 2) ** (1 / n))


def _band(
    times: np.ndarray, alive: np.ndarray, size: Tensor, held: Tensor, groups: Groups, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Log(−log) interval of S at every time, from the variance of log S over groups.

    ψᵢ(t) = Σ_{u ≤ min(t, Tᵢ)} d / (Y (Y − d)) − 1{broken, Tᵢ ≤ t} / (Y(Tᵢ) − d(Tᵢ)), d the images that break at u and Y
    those that are not broken before.
    """
    place = np.searchsorted(times, size.numpy())
    counts, broken = len(times), ~held.numpy()
    deaths = np.bincount(place, broken, counts)
    left = np.bincount(place, minlength=counts)[::-1].cumsum()[::-1]
    whose, variance = groups.of_row.numpy(), np.zeros(counts)
    for first in range(0, groups.count, some := max(1, CELLS // counts)):
        mine = (whose >= first) & (whose < first + some)
        cell = (whose[mine] - first) * counts + place[mine]
        cells = min(some, groups.count - first) * counts
        ended = np.bincount(cell, minlength=cells).reshape(-1, counts)
        fell = np.bincount(cell, broken[mine], cells).reshape(-1, counts)
        waiting = ended[:, ::-1].cumsum(1)[:, ::-1]
        moved = (waiting * (deaths / left) - fell) / (left - deaths)
        variance += np.square(moved.cumsum(1)).sum(0)
    freedom = max(1, groups.effective - 1)
    variance *= groups.effective / freedom
    half = -stdtrit(freedom, (1 - confidence) / 2) * np.sqrt(variance) / np.abs(np.log(alive))
    return alive ** np.exp(half), alive ** np.exp(-half)


def caveats(found: Estimate) -> tuple[str, ...]:
    """Why a quantile has no interval, or a lower bound only; empty if neither.

    >>> caveats(quantile(torch.tensor([9.0] * 6), torch.ones(6).bool()))
    ('the 0.5 quantile is beyond the largest size, 9: a lower bound only',)
    """
    if found.n and math.isnan(found.low):
        return (found.method,)
    return (found.method.rpartition("; ")[2],) if found.value == math.inf else ()


def _crossing(times: np.ndarray, alive: np.ndarray, level: float) -> float:
    """Time at which a step function falls below `level`; the middle of the interval where it equals `level`."""
    tolerance = 1e-9
    first = float(next(iter(times[alive < level - tolerance]), math.inf))
    equal = times[np.abs(alive - level) <= tolerance]
    return (float(equal[0]) + first) / 2 if len(equal) else first


def share_of(
    hit: Bool[Tensor, " image"], groups: Int[Tensor, " image"] | None = None, confidence: float = 0.95
) -> Estimate:
    """The share of the images that are hit, with its Wilson interval, over `groups` of images if they belong together.

    >>> hit = torch.tensor([True] * 45 + [False] * 5)
    >>> print(share_of(hit), share_of(hit, torch.arange(50) // 2))
    0.9 [0.7864, 0.9565] 0.9 [0.7221, 0.9689]
    """
    together = Groups.of(groups)
    hits, n = int(hit.sum()), len(hit)
    if together is None:
        return share(hits, n, confidence)
    low, high = grouped_wilson(hit[:, None], together, confidence)
    return Estimate(hits / n, float(low), float(high), n, together.told(f"{100 * confidence:.3g} % Wilson"))


def grouped_wilson(
    hit: Bool[Tensor, "image k"], groups: Groups, confidence: float = 0.95
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Wilson intervals of shares of images that belong together, for k shares at once; NaN for too few groups.

    The Wilson interval at the effective number of images n* = p (1 − p) / V · (z / t)², at most n, with V the variance
    of the share over groups and t the t quantile of n² / Σ size² − 1 degrees of freedom (Korn and Graubard 1998; Dean
    and Pagano 2015).  A share of 0 or 1 has no V: the images of a group then count as equal, n* = n² / Σ size².
    """
    n, x = len(hit), hit.double()
    p = x.mean(0)
    freedom = max(1, groups.effective - 1)
    spread = groups.sums(x - p).square().sum(0) / n**2 * groups.effective / freedom
    ratio = float(ndtri((1 + confidence) / 2) / stdtrit(freedom, (1 + confidence) / 2))
    varies = p * (1 - p)
    effective = torch.where(varies > 0, varies / spread, groups.effective) * ratio**2
    low, high = _score(p, effective.clamp(max=n), confidence)
    return (low * math.nan, high * math.nan) if groups.too_few else (low, high)


def share(hits: float, n: int, confidence: float = 0.95) -> Estimate:
    """The share hits / n with its Wilson interval; NaN for n = 0.

    >>> print(share(9, 10))
    0.9 [0.5958, 0.9821]
    """
    low, high = wilson(torch.tensor([hits], dtype=torch.float64), n, confidence)
    return Estimate(hits / n if n else math.nan, float(low), float(high), n, f"{100 * confidence:.3g} % Wilson")


def wilson(
    successes: Float[Tensor, " k"], n: int, confidence: float = 0.95
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Wilson score interval (1927) of the share successes / n, for all counts at once; NaN for n = 0.

    >>> wilson(torch.tensor([0.0]), 10)
    (tensor([0.], dtype=torch.float64), tensor([0.2775], dtype=torch.float64))
    """
    admit(wilson, locals())
    p = successes.double() / n if n else torch.full_like(successes, torch.nan, dtype=torch.float64)
    return _score(p, max(n, 1), confidence)


def _score(p: Tensor, m: Tensor | int, confidence: float) -> tuple[Tensor, Tensor]:
    """Wilson interval of shares p of m images."""
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    centre = (p + z2 / (2 * m)) / (1 + z2 / m)
    half = (z2 * (p * (1 - p) / m + z2 / (4 * m * m))).sqrt() / (1 + z2 / m)
    low, high = (centre - half).clamp_min(0), (centre + half).clamp_max(1)
    return torch.where(p == 0, low * 0, low), torch.where(p == 1, high * 0 + 1, high)  # NaN stays NaN
