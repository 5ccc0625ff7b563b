"""Kaplan-Meier quantiles of critical sizes with censored images, and Wilson intervals of shares."""

import math
import warnings

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.special import ndtri
from scipy.stats import CensoredData, ecdf
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import Estimate

SLACK = 0.05
"""An interval is given if the range of all values would cover with at least the confidence minus this."""


def quantile(
    size: Float[Tensor, " image"], censored: Bool[Tensor, " image"], q: float = 0.5, confidence: float = 0.95
) -> Estimate:
    """Kaplan-Meier quantile: the size at which a share `q` of the images is broken, with a log(−log) interval.

    Value: the first t with S(t) < 1 − q, or, where S equals 1 − q on an interval, its middle: without censoring and
    for q = 0.5 the ordinary median.  `inf` if so many images are censored that the share is never reached.  Bounds:
    the t at which the interval of S(t), S^exp(± z √V / log S), V Greenwood's sum Σ dᵢ / (nᵢ (nᵢ − dᵢ)), contains 1 − q
    (Kaplan and Meier 1958; Greenwood 1926; Brookmeyer and Crowley 1982); `inf` likewise.

    >>> print(quantile(torch.tensor([1.0, 2, 3, 9, 9]), torch.tensor([False, False, False, True, True])))
    3 [1, inf]
    """
    admit(quantile, locals())
    if not 0 < q < 1 or not 0 < confidence < 1:
        raise InputError("not a share", got=f"q={q}, confidence={confidence}", wanted="between 0 and 1")
    if size.shape != censored.shape or bool(size.isnan().any()):
        raise InputError(
            "sizes and censoring do not fit",
            got=f"{len(size)} sizes, {int(size.isnan().sum())} of them NaN, {len(censored)} marks of censoring",
            wanted="one of each per image, no NaN",
        )
    size = size.detach()
    method = f"{confidence:.0%} log-log interval of the Kaplan-Meier {q:g} quantile"
    if len(size) == 0:
        return Estimate(math.nan, n=0, method=method)
    held, finite = censored | size.isinf(), size.double().clamp(max=torch.finfo(torch.float64).max)
    kept, broken = (finite[which].numpy() for which in (held, ~held))
    alive = ecdf(CensoredData(broken, right=kept)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # S = 1 and S = 0 have no interval
        band = alive.confidence_interval(confidence, method="log-log")
    above = band.high.probabilities
    if alive.probabilities[-1] == 0:
        above = np.append(above[:-1], above[-2] if len(above) > 1 and not np.isnan(above[-2]) else 1.0)
    series = (alive.probabilities, band.low.probabilities, above)
    value, low, high = (_crossing(alive.quantiles, np.where(np.isnan(s), series[0], s), 1 - q) for s in series)
    known, n = size[size.isfinite()], len(size)
    if value == math.inf and len(known):
        largest = float(known.max())
        low = min(low, largest)
        method += f"; the {q:g} quantile is beyond the largest size, {largest:.4g}: a lower bound only"
    if 1 - q**n - (1 - q) ** n < confidence - SLACK:
        low = high = math.nan
        method = f"no interval of the Kaplan-Meier {q:g} quantile: {n} image{'s are' if n > 1 else ' is'} too few"
    return Estimate(value, low, high, n, method)


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
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    m = max(n, 1)
    centre = (p + z2 / (2 * m)) / (1 + z2 / m)
    half = (z2 * (p * (1 - p) / m + z2 / (4 * m * m))).sqrt() / (1 + z2 / m)
    low, high = (centre - half).clamp_min(0), (centre + half).clamp_max(1)
    return torch.where(successes == 0, low * 0, low), torch.where(successes == n, high * 0 + 1, high)  # NaN stays NaN
