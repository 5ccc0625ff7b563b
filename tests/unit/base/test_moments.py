"""Streamed moments equal the two-pass float64 covariance for any split and order, on hostile inputs too."""

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.moments import Moments


def draw(seed: int, n: int, d: int, mean: float = 0.0, spread: float = 1.0, rank: int | None = None) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, rank or d, generator=g, dtype=torch.float64)
    if rank:
        z = z @ torch.randn(rank, d, generator=g, dtype=torch.float64)
    return mean + spread * z


def direct(x: Tensor) -> Tensor:
    z = x.double() - x.double().mean(0)
    z = z - z.mean(0)
    return z.T @ z / (len(x) - 1)


def check(moments: Moments, x: Tensor, rel: float = 1e-10) -> None:
    wanted = direct(x)
    torch.testing.assert_close(moments.covariance(), wanted, rtol=0, atol=rel * float(wanted.abs().max()))
    torch.testing.assert_close(moments.mean, x.double().mean(0), rtol=1e-13, atol=1e-13)
    assert moments.n == len(x)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=8),
    d=st.integers(1, 6),
    mean=st.sampled_from([0.0, -3.0, 1e3]),
    rank=st.sampled_from([None, 1, 2]),
    data=st.data(),
)
def test_any_split_and_any_order_of_merging(
    seed: int, sizes: list[int], d: int, mean: float, rank: int | None, data: st.DataObject
) -> None:
    x = draw(seed, sum(sizes), d, mean, rank=rank)
    parts = [Moments.of(p) for p in x.split(sizes)]
    while len(parts) > 1:
        first = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        second = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts.append(first.merge(second))
    check(parts[0], x)
    torch.testing.assert_close(parts[0].covariance(), torch.cov(x.T).reshape(d, d), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "d", "mean", "spread", "rank"),
    [
        (500, 20, 1e4, 1e-2, None),  # mean a million times the spread
        (7, 30, 5.0, 1.0, None),  # fewer samples than units
        (200, 30, 0.0, 1.0, 3),  # rank deficient
        (1000, 5, 0.0, 1e-12, None),
        (64, 600, 1.0, 1.0, None),  # several blocks of the triangular product
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hostile_inputs(n: int, d: int, mean: float, spread: float, rank: int | None, dtype: torch.dtype) -> None:
    x = draw(0, n, d, mean, spread, rank).to(dtype)
    for batch in (1, 13, n):
        check(Moments.over(x.split(batch)), x, rel=1e-9 if mean > 1e3 else 1e-10)  # x itself holds 1e-10 of its spread
    eigenvalues = torch.linalg.eigvalsh(Moments.over(x.split(13)).scatter)
    assert float(eigenvalues.min()) > -1e-12 * float(eigenvalues.max())


def test_mean_far_above_the_spread_in_float32() -> None:
    truth = torch.linspace(1, 2, 8, dtype=torch.float64)
    x = (1000 + 0.05 * truth * draw(1, 4000, 8)).float()
    found = Moments.over(x.split(100)).covariance().diagonal()
    torch.testing.assert_close(found, (0.05 * truth).square(), rtol=0.08, atol=0)
    check(Moments.over(x.split(100)), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_measured_in_float64(dtype: torch.dtype) -> None:
    x = draw(0, 50, 4, 3.0).to(dtype)
    check(Moments.over(x.split(7)), x)


def test_merging_changes_neither_side_and_is_symmetric() -> None:
    a, b = Moments.of(draw(0, 10, 3, 2.0)), Moments.of(draw(1, 25, 3, -1.0))
    before = [t.clone() for t in (a.mean, a.scatter, b.mean, b.scatter)]
    ab, ba = a.merge(b), b.merge(a)
    torch.testing.assert_close([a.mean, a.scatter, b.mean, b.scatter], before, rtol=0, atol=0)
    torch.testing.assert_close((ab.mean, ab.scatter), (ba.mean, ba.scatter), rtol=1e-12, atol=1e-12)


def test_the_correction_is_that_of_torch_cov() -> None:
    x = draw(0, 12, 3)
    for correction in (0, 1, 2):
        wanted = torch.cov(x.T, correction=correction)
        torch.testing.assert_close(Moments.of(x).covariance(correction), wanted, rtol=1e-12, atol=1e-13)


def test_batches_are_left_alone_and_need_no_graph() -> None:
    x = draw(0, 10, 3).requires_grad_()
    before = x.detach().clone()
    moments = Moments.of(x)
    torch.testing.assert_close(x.detach(), before, rtol=0, atol=0)
    assert not moments.scatter.requires_grad


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_counted(value: float) -> None:
    x = draw(0, 10, 3).float()
    x[2, 1] = x[5, 1] = value
    with pytest.raises(InputError, match=r"NaN or Inf\n  got:    2 of 30 values"):
        Moments.of(x)


def test_infinities_that_cancel_are_found() -> None:
    x = draw(0, 10, 3)
    x[2, 1], x[3, 1] = math.inf, -math.inf
    with pytest.raises(InputError, match="2 of 30"):
        Moments.of(x)


def test_nothing_to_measure() -> None:
    with pytest.raises(InputError, match="no batch to measure"):
        Moments.over(iter(()))
    with pytest.raises(InputError, match="no samples"):
        Moments.of(torch.empty(0, 3))
    with pytest.raises(InputError, match=r"too few samples for a covariance\n  got:    1"):
        Moments.of(torch.ones(1, 3)).covariance()
