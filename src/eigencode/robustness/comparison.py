"""Which of two networks is more robust, on the images both classify correctly."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record
from eigencode.base.seeding import stream
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.survival import quantile


@dataclass(frozen=True)
class Comparison(Record):
    """Critical sizes of two networks on their common images.

    Attributes:
        ratio: median of the first / median of the second (Kaplan-Meier), paired bootstrap interval over images.
        log_ratio: its natural logarithm: positive if the first is more robust.
        first, second: the two medians on the common images, each with its own interval.
        own_first, own_second: the medians on each network's own correctly classified images.
        n: common images.
        larger: share of the common images with a larger critical size in the first network; pairs that censoring
            leaves undecided count half.
        of: `"size"`, `"distance"` or `"eps"`.
    """

    ratio: Estimate
    log_ratio: Estimate
    first: Estimate
    second: Estimate
    own_first: Estimate
    own_second: Estimate
    n: int
    larger: float
    of: str


def compare(
    first: CriticalSizes, second: CriticalSizes, of: str = "size", *, resamples: int = 2000, seed: int = 0
) -> Comparison:
    """Ratio of the median critical sizes on the images both networks classify correctly.

    Args:
        first, second: results of `critical_size` with the same norm and space, on the same data set.
        of: `"size"` (L2), `"distance"` (the attack's norm) or `"eps"`.
        resamples: bootstrap samples of images; the same images for both networks in each.
        seed: seed of the resampling.

    Returns:
        A `Comparison`; its interval is the 2.5 and 97.5 % quantile of the bootstrap ratios.

    Raises:
        InputError: other norms, spaces or attacks, or no common image.
    """
    if (first.norm, first.space) != (second.norm, second.space):
        raise InputError(
            "these sizes cannot be compared",
            got=f"{first.norm} in {first.space} space, {second.norm} in {second.space} space",
            wanted="the same norm and the same space",
        )
    common = first.index[torch.isin(first.index, second.index)]
    if len(common) == 0:
        raise InputError("no image is classified correctly by both networks", got="0 common images")
    a, b = first.on(common), second.on(common)
    x, y = getattr(a, of), getattr(b, of)
    counts = resampled(len(common), resamples, seed)
    logs = bootstrap_medians(x, a.censored, counts).log() - bootstrap_medians(y, b.censored, counts).log()
    logs = logs[~logs.isnan()].sort().values  # inf / inf: both medians beyond everything tried
    low, high = (_rank(logs, q) for q in (0.025, 0.975))
    medians = quantile(x, a.censored), quantile(y, b.censored)
    value = math.log(medians[0].value / medians[1].value) if math.isfinite(medians[1].value) else -math.inf
    value = math.nan if all(math.isinf(m.value) for m in medians) else value
    method = f"95 % paired bootstrap over images, {resamples} resamples"
    decided = torch.where(a.censored & b.censored, 0.5, (x > y).double())
    decided = torch.where((a.censored & (x <= y)) | (b.censored & (y <= x)), 0.5, decided)
    n = len(common)
    return Comparison(
        ratio=Estimate(math.exp(value), math.exp(low), math.exp(high), n, method),
        log_ratio=Estimate(value, low, high, n, method),
        first=medians[0],
        second=medians[1],
        own_first=first.quantile(0.5, of),
        own_second=second.quantile(0.5, of),
        n=n,
        larger=float(decided.mean()),
        of=of,
    )


def resampled(n: int, resamples: int, seed: int) -> Int[Tensor, "resamples n"]:
    """How often each image occurs in each bootstrap sample."""
    picks = torch.randint(n, (resamples, n), generator=stream(seed, "bootstrap over images"))
    return torch.zeros(resamples, n, dtype=torch.int64).scatter_add_(1, picks, torch.ones_like(picks))


def bootstrap_medians(
    size: Float[Tensor, " n"], censored: Bool[Tensor, " n"], counts: Int[Tensor, "resamples n"]
) -> Float[Tensor, " resamples"]:
    """Kaplan-Meier median of each bootstrap sample; `inf` where half of it is never broken."""
    order = _ties(size, censored)
    value, event = size.double()[order], (~censored[order]).double()
    weight = counts[:, order].double()
    at_risk = weight.flip(1).cumsum(1).flip(1)
    alive = torch.where(at_risk > 0, 1 - weight * event / at_risk.clamp_min(1), 1.0).cumprod(1)
    return _first_below(value, alive)


def _ties(size: Tensor, censored: Tensor) -> Tensor:
    """Order by size; of equal sizes the broken images first, as in Kaplan and Meier."""
    by_state = torch.argsort(censored.int(), stable=True)
    return by_state[torch.argsort(size[by_state], stable=True)]


def _first_below(value: Tensor, alive: Tensor) -> Tensor:
    """The first value with S < 1/2, or the middle between it and the first with S = 1/2."""
    padded = torch.cat([value, value.new_full((1,), torch.inf)])
    end = len(value)

    def first(hit: Tensor) -> Tensor:
        return torch.where(hit.any(1), hit.int().argmax(1), end)

    below, reached = first(alive < 0.5 - 1e-9), first(alive <= 0.5 + 1e-9)
    return (padded[below] + padded[reached]) / 2


def _rank(ordered: Tensor, q: float) -> float:
    """Quantile without interpolation, which infinite values do not survive."""
    return float(ordered[round(q * (len(ordered) - 1))]) if len(ordered) else math.nan
