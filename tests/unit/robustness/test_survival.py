"""Kaplan-Meier and Wilson against textbook examples, definitions and simulation."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import CensoredData, binomtest, ecdf

from eigencode.base.errors import InputError
from eigencode.robustness.survival import quantile, survival, wilson


def test_survival_against_scipy(rng: torch.Generator) -> None:
    """scipy.stats.ecdf is an independent Kaplan-Meier; ties and censoring at the time of an event included."""
    size = torch.randint(1, 12, (80,), generator=rng).double()
    censored = torch.rand(80, generator=rng) < 0.35
    times, alive, _ = survival(size, censored)
    data = CensoredData(uncensored=size[~censored].numpy(), right=size[censored].numpy())
    theirs = ecdf(data).sf
    torch.testing.assert_close(alive, torch.as_tensor(theirs.evaluate(times.numpy())))


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")  # where S is 1 or 0
def test_greenwood_interval_against_scipy(rng: torch.Generator) -> None:
    size = torch.rand(60, generator=rng).double()
    censored = torch.rand(60, generator=rng) < 0.3
    found = quantile(size, censored)
    sf = ecdf(CensoredData(uncensored=size[~censored].numpy(), right=size[censored].numpy())).sf
    band = sf.confidence_interval(0.95, method="log-log")
    times = np.sort(size[~censored].numpy())
    low = times[np.argmax(band.low.evaluate(times) < 0.5)]
    high = times[np.argmax(band.high.evaluate(times) < 0.5)]
    assert found.interval == pytest.approx((low, high))


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_without_censoring_it_is_the_median(n: int, rng: torch.Generator) -> None:
    size = torch.rand(n, generator=rng).double()
    assert float(quantile(size, torch.zeros(n).bool())) == pytest.approx(float(np.median(size.numpy())))


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


def test_nothing_broken_and_nothing_at_all() -> None:
    assert quantile(torch.ones(5), torch.ones(5).bool()).value == math.inf
    assert math.isnan(quantile(torch.zeros(0), torch.zeros(0).bool()).value)
    with pytest.raises(InputError, match="not a share"):
        quantile(torch.ones(5), torch.ones(5).bool(), q=1.5)


def test_wilson_against_scipy() -> None:
    low, high = wilson(torch.tensor([0.0, 3.0, 20.0]), 20)
    for k, a, b in zip((0, 3, 20), low, high):
        ci = binomtest(k, 20).proportion_ci(method="wilson")
        assert (float(a), float(b)) == pytest.approx((ci.low, ci.high))
    assert bool(wilson(torch.tensor([0.0]), 0)[0].isnan().all())
