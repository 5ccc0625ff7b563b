"""Intervals of shares and of Kaplan-Meier quantiles over groups of images."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from eigencode.base.groups import Groups
from eigencode.robustness import survival
from eigencode.robustness.survival import grouped_wilson, quantile, share_of, wilson

G = 30


def sizes(rng: torch.Generator, copies: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    size = torch.rand(G, dtype=torch.float64, generator=rng).mul(9).ceil()  # with ties
    censored = torch.rand(G, generator=rng) < 0.3
    return size.repeat_interleave(copies), censored.repeat_interleave(copies), torch.arange(G).repeat_interleave(copies)


@pytest.mark.parametrize("q", [0.2, 0.5, 0.7])
def test_images_of_their_own_are_no_groups(q: float, rng: torch.Generator) -> None:
    size, censored, _ = sizes(rng)
    assert quantile(size, censored, q, groups=torch.arange(G).flip(0)) == quantile(size, censored, q)
    assert share_of(censored, torch.arange(G)) == share_of(censored)


def log_survival(size: torch.Tensor, censored: torch.Tensor, weight: torch.Tensor, t: float) -> float:
    """log S(t) of weighted images, time by time."""
    found = 0.0
    for u in sorted({float(s) for s, c in zip(size, censored, strict=True) if not c and s <= t}):
        dead = float(weight[(size == u) & ~censored].sum())
        found += math.log1p(-dead / float(weight[size >= u].sum()))
    return found


def test_the_band_is_that_of_the_derivative_by_the_weights_of_groups(rng: torch.Generator) -> None:
    size, censored, _ = sizes(rng, 4)
    label = torch.arange(4 * G) // 6
    groups = Groups.of(label)
    assert groups is not None
    times = torch.unique(size)
    one = torch.ones(len(size), dtype=torch.float64)
    early = times[:5].tolist()
    log_s = [log_survival(size, censored, one, t) for t in early]
    alive = np.full(len(times), 0.01)
    alive[:5] = np.exp(log_s)
    with np.errstate(all="ignore"):  # where the last images break, S = 0 has no interval
        low, high = survival._band(times.numpy(), alive, size, censored, groups, 0.95)
    for k, t in enumerate(early):
        moved = []
        for g in range(groups.count):
            up, down = (torch.where(label == g, 1 + step, one) for step in (1e-5, -1e-5))
            moved.append((log_survival(size, censored, up, t) - log_survival(size, censored, down, t)) / 2e-5)
        error = math.sqrt(groups.count / (groups.count - 1) * sum(m * m for m in moved))
        half = stats.t.ppf(0.975, groups.count - 1) * error / abs(log_s[k])
        assert low[k] == pytest.approx(math.exp(log_s[k]) ** math.exp(half), rel=1e-6)
        assert high[k] == pytest.approx(math.exp(log_s[k]) ** math.exp(-half), rel=1e-6)


def test_blocks_of_groups_give_the_same_band(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    size, censored, label = sizes(rng, 5)
    whole = quantile(size, censored, groups=label)
    monkeypatch.setattr(survival, "CELLS", 20)
    assert quantile(size, censored, groups=label) == whole


def test_repeated_images_tell_no_more_than_single_ones(rng: torch.Generator) -> None:
    """Greenwood's variance times G / (G − 1), and t instead of z: hardly wider than without the repeats."""
    size = torch.rand(G, dtype=torch.float64, generator=rng)
    whole = torch.zeros(G, dtype=torch.bool)
    single = quantile(size, whole)
    ten = quantile(
        size.repeat_interleave(10), whole.repeat_interleave(10), groups=torch.arange(G).repeat_interleave(10)
    )
    assert ten.value == pytest.approx(single.value)
    ordered = size.sort().values.tolist()
    steps = [abs(ordered.index(a) - ordered.index(b)) for a, b in zip(single.interval, ten.interval, strict=True)]
    assert max(steps) <= 1
    apart = quantile(size.repeat_interleave(10), whole.repeat_interleave(10))
    assert apart.high - apart.low < 0.6 * (ten.high - ten.low)
    assert "30 groups" in ten.method


def test_a_share_of_repeated_images_has_the_interval_of_single_ones() -> None:
    hit = torch.arange(G) < 21
    found = share_of(hit.repeat_interleave(10), torch.arange(G).repeat_interleave(10))
    z, t = stats.norm.ppf(0.975), stats.t.ppf(0.975, G - 1)
    n = (G - 1) * (z / t) ** 2  # p (1 − p) / V with V = p (1 − p) / (G − 1)
    low, high = survival._score(torch.tensor([0.7], dtype=torch.float64), torch.tensor(n), 0.95)
    assert (found.low, found.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    single = share_of(hit)
    assert single.high - single.low < found.high - found.low < 1.1 * (single.high - single.low)


def test_a_share_is_never_surer_than_of_independent_images(rng: torch.Generator) -> None:
    label = torch.arange(200) // 4
    balanced = torch.arange(200) % 2 == 0  # the same share in every group: no variance between them
    groups = Groups.of(label)
    assert groups is not None
    low, high = grouped_wilson(balanced[:, None], groups)
    assert (float(low), float(high)) == pytest.approx([float(v) for v in wilson(torch.tensor([100.0]), 200)])


@pytest.mark.parametrize("hits", [0, 1])
def test_a_share_of_none_or_all_counts_groups(hits: int) -> None:
    found = share_of(torch.full((300,), bool(hits)), torch.arange(300) // 10)
    n = G * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, G - 1)) ** 2
    reach = stats.norm.ppf(0.975) ** 2
    expected = reach / (n + reach)
    assert (found.low, found.high) == pytest.approx((1 - expected, 1) if hits else (0, expected))


def test_few_groups_give_no_interval_and_say_why(rng: torch.Generator) -> None:
    size, label = torch.rand(40, generator=rng), torch.arange(40) // 8
    for found in (quantile(size, size < 0, groups=label), share_of(size < 0.5, label)):
        assert math.isfinite(found.value)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert "5 groups are too few" in found.method
    alone = share_of(size < 0.5, torch.zeros(40).long())
    assert "1 group is too few" in alone.method
    assert math.isnan(alone.low)
    assert survival.caveats(quantile(size, size < 0, groups=label))
