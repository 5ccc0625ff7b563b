"""Kaplan-Meier quantiles: medians that count the images no attack could break."""

import math

import torch
from jaxtyping import Bool, Float
from scipy.stats import norm as normal
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Estimate


def survival(
    size: Float[Tensor, " image"], censored: Bool[Tensor, " image"]
) -> tuple[Float[Tensor, " time"], Float[Tensor, " time"], Float[Tensor, " time"]]:
    """Share of images unbroken after each size: S(t) = Π_{tᵢ ≤ t} (1 − dᵢ/nᵢ), dᵢ broken at tᵢ, nᵢ still at risk.

    Args:
        size: critical size of each image, or for a censored one the size up to which it held.
        censored: True where the image never broke.

    Returns:
        (times at which images broke, S just after them, Greenwood's Σ dᵢ / (nᵢ (nᵢ − dᵢ))).

    Source: Kaplan and Meier 1958; Greenwood 1926.

    >>> survival(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, True, False]))[:2]
    (tensor([1., 3.], dtype=torch.float64), tensor([0.6667, 0.0000], dtype=torch.float64))
    """
    size = size.double()
    times = torch.unique(size[~censored])
    ordered, broken = size.sort().values, size[~censored].sort().values
    at_risk = len(size) - torch.searchsorted(ordered, times).double()
    events = (torch.searchsorted(broken, times, right=True) - torch.searchsorted(broken, times)).double()
    left = at_risk - events
    alive = (left / at_risk).cumprod(0)
    greenwood = (events / (at_risk * left)).cumsum(0)  # inf once nobody is left
    return times, alive, greenwood


def quantile(
    size: Float[Tensor, " image"], censored: Bool[Tensor, " image"], q: float = 0.5, confidence: float = 0.95
) -> Estimate:
    """The size at which a share `q` of the images is broken, with a log(−log) interval.

    Value: the first t with S(t) < 1 − q, or, where S equals 1 − q on a stretch, its middle: without censoring and
    for q = 0.5 the ordinary median.  `inf` when so many images are censored that the share is never reached: the
    quantile is larger than anything that was tried.  Bounds: the t at which the interval of S(t),
    S^exp(± z √V / log S), V Greenwood's sum, contains 1 − q (Brookmeyer and Crowley 1982); `inf` likewise.

    >>> print(quantile(torch.tensor([1.0, 2, 3, 9, 9]), torch.tensor([False, False, False, True, True])))
    3 [1, inf]
    """
    if not 0 < q < 1 or not 0 < confidence < 1:
        raise InputError("not a share", got=f"q={q}, confidence={confidence}", wanted="between 0 and 1")
    method = f"{confidence:.0%} log-log interval of the Kaplan-Meier {q:g} quantile"
    if len(size) == 0:
        return Estimate(math.nan, n=0, method=method)
    times, alive, greenwood = survival(size, censored)
    z = float(normal.ppf((1 + confidence) / 2))
    width = z * greenwood.sqrt() / alive.log()  # negative
    inside = (alive > 0) & (alive < 1)
    upper = torch.where(inside, alive ** torch.exp(width), alive)
    lower = torch.where(inside, alive ** torch.exp(-width), alive)
    value = _crossing(times, alive, 1 - q)
    return Estimate(value, _crossing(times, lower, 1 - q), _crossing(times, upper, 1 - q), n=len(size), method=method)


def _crossing(times: Tensor, alive: Tensor, level: float) -> float:
    tolerance = 1e-9
    below = (alive < level - tolerance).nonzero()[:, 0]
    first = float(times[below[0]]) if len(below) else math.inf
    equal = ((alive - level).abs() <= tolerance).nonzero()[:, 0]
    return (float(times[equal[0]]) + first) / 2 if len(equal) else first


def wilson(
    successes: Float[Tensor, " k"], n: int, confidence: float = 0.95
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Wilson's score interval (1927) of the share successes / n; NaN for n = 0.

    >>> wilson(torch.tensor([0.0]), 10)
    (tensor([0.], dtype=torch.float64), tensor([0.2775], dtype=torch.float64))
    """
    p = successes.double() / n if n else torch.full_like(successes, torch.nan, dtype=torch.float64)
    z2 = float(normal.ppf((1 + confidence) / 2)) ** 2
    m = max(n, 1)
    centre = (p + z2 / (2 * m)) / (1 + z2 / m)
    half = (z2 * (p * (1 - p) / m + z2 / (4 * m * m))).sqrt() / (1 + z2 / m)
    return (centre - half).clamp_min(0), (centre + half).clamp_max(1)
