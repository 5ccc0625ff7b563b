"""Kaplan-Meier and Wilson against textbook examples, definitions and simulation."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.robustness.survival import quantile, wilson


def by_hand(size: Tensor, censored: Tensor, level: float) -> tuple[float, float, float]:
    """First times at which S, and the bounds S^exp(± z √V / log S), are below a level: one image after the other."""
    pairs = sorted(zip(size.tolist(), censored.tolist()))
    alive, greenwood, found, bounds = 1.0, 0.0, [math.inf] * 3, (1.0, 1.0, 1.0)
    for time in sorted({t for t, c in pairs if not c}):
        at_risk, dead = sum(t >= time for t, _ in pairs), sum(t == time and not c for t, c in pairs)
        alive *= 1 - dead / at_risk
        greenwood += dead / (at_risk * (at_risk - dead)) if at_risk > dead else math.inf
        if alive > 0:
            reach = 1.959964 * math.sqrt(greenwood) / math.log(alive)
            bounds = (alive, alive ** math.exp(-reach), alive ** math.exp(reach))
        else:  # the exact bound of no image in n: of all, or of those at risk where some are censored
            n = at_risk if any(c for _, c in pairs) else len(pairs)
            bounds = (0.0, 0.0, min(bounds[2], 1 - 0.025 ** (1 / n)))
        found = [min(f, time) if b < level - 1e-9 else f for f, b in zip(found, bounds)]
    return found[0], found[1] if math.isfinite(found[0]) else min(found[1], float(size.max())), found[2]


@pytest.mark.parametrize("share", [0.0, 0.35, 0.8])
def test_against_the_product_by_hand(share: float, rng: torch.Generator) -> None:
    """Ties and censoring at the time of an event included; 0.53 and 0.21 are no multiples of 1/80: no flat stretch."""
    for size in (torch.randint(1, 12, (80,), generator=rng).double(), torch.rand(80, generator=rng).double()):
        censored = torch.rand(80, generator=rng) < share
        for q in (0.47, 0.79):
            found = quantile(size, censored, q)
            assert (found.value, *found.interval) == by_hand(size, censored, 1 - q)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_without_censoring_it_is_the_median(n: int, rng: torch.Generator) -> None:
    size = torch.rand(n, generator=rng).double()
    assert float(quantile(size, torch.zeros(n).bool())) == pytest.approx(float(np.median(size.numpy())))


def test_where_all_images_break_at_a_finite_size_the_interval_ends_there() -> None:
    none = torch.zeros(100).bool()
    assert quantile(torch.zeros(30), none[:30]).interval == (0.0, 0.0)
    assert quantile(torch.tensor([1.0] * 3 + [2.0] * 97), none).interval == (2.0, 2.0)
    assert quantile(torch.arange(1.0, 7.0), none[:6]).interval == (1.0, 6.0)  # the order statistics, 96.9 %
    one_censored = quantile(torch.arange(1.0, 7.0), torch.tensor([0, 0, 0, 0, 1, 0]).bool())
    assert one_censored.high == math.inf  # one image is left: it says nothing of a median


def test_planted_censoring_where_dropping_is_wrong() -> None:
    """Sizes 1..100, attacked up to 60: the true median is 50.5; without the unbroken images it would be 30.5."""
    truth = torch.arange(1.0, 101.0).double()
    censored = truth > 60
    seen = truth.clamp(max=60)
    assert float(quantile(seen, censored)) == 50.5
    assert float(seen[~censored].median()) < 31
    ninth = quantile(seen, censored, 0.9)
    assert ninth.value == math.inf
    assert ninth.high == math.inf


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    g = torch.Generator().manual_seed(1)
    size = torch.empty(400, 60).exponential_(generator=g)
    limit = torch.empty(400, 60).exponential_(0.4, generator=g)
    hits = 0
    for s, c in zip(size, limit):
        found = quantile(torch.minimum(s, c), s > c)
        hits += found.low <= math.log(2) <= found.high
    assert 0.92 <= hits / 400 <= 0.985


@pytest.mark.parametrize("broken", [0, 1, 4, 9])
def test_a_median_beyond_the_largest_size_has_a_lower_bound_and_says_so(broken: int) -> None:
    size = torch.arange(1.0, 41.0)
    found = quantile(size, torch.arange(40) >= broken)
    assert found.value == math.inf
    assert (found.low, found.high) == (40.0, math.inf), "a size that was tried, and no upper bound"
    assert found.method.endswith("; the 0.5 quantile is beyond the largest size, 40: a lower bound only")
    some = quantile(size, torch.arange(40) >= 19)
    assert some.value == math.inf
    assert some.low < 19
    assert "only" not in quantile(size, torch.arange(40) >= 30).method


@pytest.mark.parametrize(("n", "q", "told"), [(1, 0.5, True), (4, 0.5, True), (5, 0.5, False), (5, 0.9, True)])
def test_too_few_images_have_no_interval_and_say_so(n: int, q: float, told: bool) -> None:
    found = quantile(torch.arange(1.0, n + 1), torch.zeros(n).bool(), q)
    assert ("95" not in found.method) is told
    assert (f"{n} image" in found.method and "too few" in found.method) is told
    assert (math.isnan(found.low) and math.isnan(found.high)) is told
    assert math.isfinite(found.value)


@pytest.mark.parametrize(
    ("n", "q", "rate"), [(5, 0.5, 0.0), (6, 0.5, 0.4), (25, 0.9, 0.0), (30, 0.9, 0.4), (12, 0.25, 0)]
)
def test_an_interval_of_few_images_covers_what_it_says(n: int, q: float, rate: float) -> None:
    g, truth, hits = torch.Generator().manual_seed(2), -math.log(1 - q), 0
    for _ in range(200):
        size = torch.empty(n, dtype=torch.float64).exponential_(generator=g)
        limit = torch.empty_like(size).exponential_(rate, generator=g) if rate else torch.full_like(size, math.inf)
        found = quantile(torch.minimum(size, limit), size > limit, q)
        hits += math.isnan(found.low) or found.low <= truth <= found.high
    assert hits / 200 >= 0.9


def test_nothing_broken_and_nothing_at_all() -> None:
    assert quantile(torch.ones(5), torch.ones(5).bool()).value == math.inf
    assert quantile(torch.tensor([1.0, math.inf, math.inf]), torch.zeros(3).bool()).value == math.inf
    assert math.isnan(quantile(torch.zeros(0), torch.zeros(0).bool()).value)
    with pytest.raises(InputError, match="not a share"):
        quantile(torch.ones(5), torch.ones(5).bool(), q=1.5)


def test_wilson_against_scipy() -> None:
    low, high = wilson(torch.tensor([0.0, 3.0, 20.0]), 20)
    for k, a, b in zip((0, 3, 20), low, high):
        ci = binomtest(k, 20).proportion_ci(method="wilson")
        assert (float(a), float(b)) == pytest.approx((ci.low, ci.high))
    assert bool(wilson(torch.tensor([0.0]), 0)[0].isnan().all())


def test_wilson_of_none_and_of_all_is_exact() -> None:
    for n in range(1, 400):
        low, high = wilson(torch.tensor([0.0, float(n)]), n)
        assert (float(low[0]), float(high[1])) == (0.0, 1.0)
