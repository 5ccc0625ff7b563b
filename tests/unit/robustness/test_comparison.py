"""Comparison of two networks: known ratios, censoring, and coverage of the interval."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.robustness import CriticalSizes, compare
from eigencode.robustness.comparison import bootstrap_medians, resampled
from eigencode.robustness.survival import quantile


def sizes(values: Tensor, censored: Tensor | None = None, index: Tensor | None = None) -> CriticalSizes:
    n = len(values)
    return CriticalSizes(
        index=torch.arange(n) if index is None else index,
        eps=values.double(),
        size=values.double(),
        distance=values.double(),
        censored=torch.zeros(n).bool() if censored is None else censored,
        n=n,
        n_correct=n,
        attack="planted",
        norm="l2",
        space="pixel",
        seed=0,
        tolerance=0.01,
        eps_max=10.0,
        evaluations=0,
        gradients=0,
        zero_gradients=math.nan,
    )


def test_medians_of_resamples_are_those_of_the_images_repeated(rng: torch.Generator) -> None:
    size = torch.randint(1, 9, (40,), generator=rng).double()
    censored = torch.rand(40, generator=rng) < 0.3
    counts = resampled(40, 60, seed=1)
    assert bool((counts.sum(1) == 40).all())
    expected = [float(quantile(size.repeat_interleave(c), censored.repeat_interleave(c))) for c in counts]
    torch.testing.assert_close(bootstrap_medians(size, censored, counts), torch.tensor(expected).double())


def test_known_ratio_on_common_images_only(rng: torch.Generator) -> None:
    base = torch.rand(300, generator=rng) + 0.5
    first = sizes(torch.cat([2 * base, torch.full((50,), 9.0)]))
    second = sizes(
        torch.cat([base, torch.full((70,), 0.001)]), index=torch.cat([torch.arange(300), torch.arange(400, 470)])
    )
    found = compare(first, second)
    assert found.n == 300
    assert float(found.ratio) == pytest.approx(2.0)
    assert float(found.log_ratio) == pytest.approx(math.log(2))
    assert found.ratio.low == pytest.approx(2.0)
    assert found.larger == 1.0
    assert found.own_first.n == 350
    assert float(found.own_second) < float(found.second)


def test_the_interval_covers_the_true_ratio(rng: torch.Generator) -> None:
    hits = 0
    for trial in range(60):
        common = torch.randn(120, generator=rng)
        a = (common + 0.3 * torch.randn(120, generator=rng)).exp()
        b = (common + 0.3 * torch.randn(120, generator=rng)).exp()
        found = compare(sizes(a), sizes(b), resamples=300, seed=trial)
        hits += found.ratio.low <= 1.0 <= found.ratio.high
    assert 52 <= hits <= 60


def test_censored_images(rng: torch.Generator) -> None:
    size = torch.rand(50, generator=rng)
    robust = sizes(torch.full((50,), 10.0), torch.ones(50).bool())
    found = compare(robust, sizes(size))
    assert math.isinf(float(found.ratio))
    assert found.larger == 1.0
    both = compare(robust, robust)
    assert math.isnan(float(both.ratio))
    assert both.larger == 0.5


def test_what_cannot_be_compared() -> None:
    a = sizes(torch.ones(5))
    with pytest.raises(InputError, match="cannot be compared"):
        compare(a, dataclasses.replace(a, space="unit"))
    with pytest.raises(InputError, match="no image"):
        compare(a, dataclasses.replace(a, index=a.index + 5))
