"""A mean over seeds: its interval, its p-value, and the correction for many."""

import math

import pytest
from hypothesis import given, strategies as st
from scipy import stats

from eigencode.base.intervals import t_interval
from eigencode.study._mean import Mean, holm

NUMBERS = st.integers(-1000, 1000).map(lambda i: i / 100)
WIDTHS = st.floats(0.01, 10)


@given(st.lists(NUMBERS, min_size=2, max_size=6, unique=True))
def test_without_images_it_is_the_t_test(values: list[float]) -> None:
    found = Mean.of(values)
    assert (found.value, found.low, found.high) == pytest.approx(t_interval(values), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, rel=1e-6, abs=1e-9)


@given(NUMBERS, WIDTHS, WIDTHS)
def test_one_seed_has_the_interval_of_the_images(value: float, below: float, above: float) -> None:
    found = Mean.of([value], [value - below], [value + above])
    assert (found.low, found.high) == pytest.approx((value - below, value + above))
    side = below if value > 0 else above
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(value) / side * 1.959964), rel=1e-4)


@given(st.lists(NUMBERS, min_size=2, max_size=6, unique=True), WIDTHS, WIDTHS)
def test_the_p_value_at_an_end_of_the_interval_is_five_percent(values: list[float], below: float, above: float) -> None:
    found = Mean.of(values, [v - below for v in values], [v + above for v in values])
    assert (found - found.low).p == pytest.approx(0.05)
    assert (found - found.high).p == pytest.approx(0.05)
    assert found.low <= found.value - below + 1e-9
    assert (-found).low == pytest.approx(-found.high)
    assert found.differs() == (not found.low <= 0 <= found.high)


def test_all_seeds_see_the_same_images() -> None:
    """Three seeds that agree know no more than one, and those that differ are a little less certain than either."""
    same = Mean.of([2.0] * 3, [1.0] * 3, [4.0] * 3)
    assert (same.low, same.high) == pytest.approx((1.0, 4.0))
    differ = Mean.of([1.9, 2.0, 2.1], [0.9, 1.0, 1.1], [3.9, 4.0, 4.1])
    assert 0.95 < differ.low < 1.0
    assert 4.0 < differ.high < 4.05


def test_missing_and_open_intervals() -> None:
    nan, inf = math.nan, math.inf
    assert (Mean.of([2.0]).low, Mean.of([2.0]).p) == (-inf, 1.0)
    assert Mean.of([2.0, 2.0, 2.0], [nan] * 3, [nan] * 3).p != 0.0
    one = Mean.of([1.9, 2.1], [0.9, nan], [2.9, nan])
    assert (one.low, one.high) == (Mean.of([1.9, 2.1], [0.9, 1.1], [2.9, 3.1]).low, one.high)
    foreign = Mean.of([1.9, 2.1], [2.9, 2.9], [3.9, 3.9])
    assert foreign == Mean.of([1.9, 2.1]), "an interval of another number"
    censored = Mean.of([1.9, 2.1], [0.9, 1.1], [inf, 3.1])
    assert (censored.high, censored.low > -inf, censored.p < 1) == (inf, True, True)
    assert (censored - 3).p == 1.0


def test_a_side_without_width() -> None:
    """An accuracy of 1 cannot be exceeded: the interval ends there."""
    found = Mean.of([1.0], [0.99], [1.0])
    assert found.high == 1.0
    assert math.isnan((found - 1.1).p)
    assert (found - 1.1).differs()
    assert not (found - 1.0).differs()


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        ([0.04, 0.001, 0.5], [0.08, 0.003, 0.5]),
        ([0.9, 0.6], [1.0, 1.0]),
        ([math.nan, 0.01], [math.nan, 0.01]),
        ([], []),
    ],
)
def test_holm(p: list[float], adjusted: list[float]) -> None:
    assert holm(p) == pytest.approx(adjusted, nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_step_by_step(p: list[float]) -> None:
    """The textbook: the smallest against 0.05 / m, the next against 0.05 / (m − 1), until one fails."""
    rejected = []
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] * (len(p) - step) >= 0.05:
            break
        rejected.append(i)
    assert [i for i, q in enumerate(holm(p)) if q < 0.05] == sorted(rejected)
