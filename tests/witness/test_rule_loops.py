"""The Krotov–Hopfield rules against loops over samples, units and inputs, written from the formulae alone."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from eigencode.rules import KrotovHopfield, KrotovHopfieldSequential, Rule

Matrix = list[list[float]]


def sign(w: float) -> float:
    return math.copysign(1.0, w) if w else 0.0


def current(x: list[float], w: list[float], p: float) -> float:
    """h = Σᵢ sign(wᵢ) |wᵢ|^(p−1) xᵢ; an input across a zero weight brings nothing."""
    return math.fsum(sign(wi) * abs(wi) ** (p - 1) * xi for wi, xi in zip(w, x) if wi)


def ranked(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda unit: -scores[unit])


def change(x: Matrix, w: Matrix, p: float, radius: float, gains: Callable[[list[float]], dict[int, float]]) -> Matrix:
    """ΔW_μi = Σ_b g_μb (R^p x_bi − h_μb W_μi) for gains that depend on the currents of one sample."""
    delta = [[0.0] * len(w[0]) for _ in w]
    for sample in x:
        h = [current(sample, unit, p) for unit in w]
        for unit, g in gains(h).items():
            for i, value in enumerate(sample):
                delta[unit][i] += g * (radius**p * value - h[unit] * w[unit][i])
    return delta


def fast_gains(h: list[float], k: int, delta: float) -> dict[int, float]:
    order = ranked(h)
    return {order[0]: 1.0, order[k - 1]: -delta}


def sequential_gains(h: list[float], w: Matrix, p: float, k: int, delta: float, losers: str) -> dict[int, float]:
    lengths = [math.fsum(abs(wi) ** p for wi in unit) ** ((p - 1) / p) for unit in w]
    order = ranked([a / b for a, b in zip(h, lengths)])
    pushed = order[k - 1 : k] if losers == "kth" else order[1:k]
    return {order[0]: 1.0, **dict.fromkeys(pushed, -delta)}


def problem(seed: int, batch: int = 12, units: int = 9, inputs: int = 8) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(batch, inputs, generator=g, dtype=torch.float64)
    w = torch.randn(units, inputs, generator=g, dtype=torch.float64)
    w[2] *= 1e-3  # units of very different length
    w[3, :4] = 0
    return x, w


def assert_near(found: Tensor, wanted: Matrix | Tensor, rel: float) -> None:
    truth = torch.as_tensor(wanted, dtype=torch.float64)
    torch.testing.assert_close(found.double(), truth, rtol=0, atol=rel * float(truth.abs().max()))


SETTINGS = list(itertools.product((2.0, 3.0, 4.5), (2, 7), (0.0, 0.4), (1.0, 1.7)))


@pytest.mark.parametrize(("p", "k", "delta", "radius"), SETTINGS)
def test_mini_batch_rule(p: float, k: int, delta: float, radius: float) -> None:
    for seed in range(2):
        x, w = problem(seed)
        rule = KrotovHopfield(p=p, k=k, delta=delta, radius=radius)
        wanted = change(x.tolist(), w.tolist(), p, radius, lambda h: fast_gains(h, k, delta))
        assert_near(rule.update(x, w), wanted, 1e-12)
        assert_near(rule.update(x.float(), w.float()), wanted, 1e-5)  # the inputs themselves are rounded here


@pytest.mark.parametrize("losers", ["kth", "2..k"])
@pytest.mark.parametrize(("p", "k", "delta", "radius"), SETTINGS)
def test_sequential_rule(p: float, k: int, delta: float, radius: float, losers: str) -> None:
    x, w = problem(2)
    rule = KrotovHopfieldSequential(p=p, k=k, delta=delta, radius=radius, losers=losers)
    for sample in x:  # one by one, as published, the weights moving in between
        wanted = change(
            [sample.tolist()],
            w.tolist(),
            p,
            radius,
            lambda h, w=w: sequential_gains(h, w.tolist(), p, k, delta, losers),
        )
        found = rule.update(sample[None], w)
        assert_near(found, wanted, 1e-12)
        assert_near(rule.update(sample[None].float(), w.float()), wanted, 1e-5)
        w = w + 0.05 * found
    together = change(x.tolist(), w.tolist(), p, radius, lambda h: sequential_gains(h, w.tolist(), p, k, delta, losers))
    assert_near(rule.update(x, w), together, 1e-12)


def test_the_two_kinds_of_losers_are_one_for_k_2_and_differ_beyond() -> None:
    x, w = problem(0)
    for k, same in ((2, True), (4, False)):
        kth, all_of_them = (KrotovHopfieldSequential(k=k, losers=losers).update(x, w) for losers in ("kth", "2..k"))
        assert torch.equal(kth, all_of_them) == same


def test_the_ranking_differs_where_lengths_do() -> None:
    x, w = problem(0)
    assert not torch.equal(KrotovHopfield().update(x, w), KrotovHopfieldSequential().update(x, w))


def dense(x: Tensor, w: Tensor, p: float, k: int, delta: float, radius: float) -> Tensor:
    """The textbook form: a gain for every unit and sample, two full matrix products."""
    h = x @ (w.sign() * w.abs() ** (p - 1)).T
    order = h.argsort(dim=1, descending=True)
    g = torch.zeros_like(h).scatter_(1, order[:, :1], 1.0)
    g.scatter_(1, order[:, k - 1 : k], -delta)
    return radius**p * g.T @ x - (g * h).sum(0)[:, None] * w


@pytest.mark.parametrize(("dtype", "rel"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("p", [2.0, 3.0, 4.5])
@pytest.mark.parametrize("k", [2, 7])
def test_sparse_rows_against_the_dense_form(p: float, k: int, dtype: torch.dtype, rel: float) -> None:
    g = torch.Generator().manual_seed(5)
    x = torch.rand(300, 192, generator=g).to(dtype)
    x /= torch.linalg.vector_norm(x, p, dim=1, keepdim=True)
    w = torch.randn(120, 192, generator=g).to(dtype)
    found = KrotovHopfield(p=p, k=k, delta=0.4, radius=1.2).update(x, w)
    assert_near(found, dense(x, w, p, k, 0.4, 1.2), rel)
    assert 0 < int((found.abs().sum(1) > 0).sum()) < 120


@pytest.mark.parametrize("make", [KrotovHopfield, KrotovHopfieldSequential])
@pytest.mark.parametrize("p", [1.0, 1.5])
def test_small_p_with_zero_weights(make: type[Rule], p: float) -> None:
    """The form |W|^(p−2) W would be 0·∞ here."""
    x, w = problem(3, inputs=30)
    w[:, ::2] = 0
    w[5] = 0
    found = make(p=p, k=3).update(x, w)
    assert bool(torch.isfinite(found).all())
    if make is KrotovHopfield:
        assert_near(found, change(x.tolist(), w.tolist(), p, 1.0, lambda h: fast_gains(h, 3, 0.4)), 1e-12)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 4.5])
@pytest.mark.parametrize("radius", [1.0, 0.6])
@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_norm_identity(p: float, radius: float, flip: float) -> None:
    """τ d‖W_μ‖_p^p/dt = p g_μ h_μ (R^p − ‖W_μ‖_p^p), also where the winner is repelled (h < 0)."""
    x, w = problem(4)
    x, w, tau, dt = flip * x[:1], w.abs() + 0.2, 2.5, 1e-7
    rule = KrotovHopfield(p=p, k=3, delta=0.4, radius=radius)
    h = x @ (w.sign() * w.abs() ** (p - 1)).T
    order = h[0].argsort(descending=True)
    g = torch.zeros(len(w), dtype=torch.float64)
    g[order[0]], g[order[2]] = 1.0, -0.4
    step = rule.update(x, w) * dt / tau

    def power(weights: Tensor) -> Tensor:
        return weights.abs().pow(p).sum(1)

    rate = tau * (power(w + step) - power(w - step)) / (2 * dt)
    torch.testing.assert_close(rate, p * g * h[0] * (radius**p - power(w)), rtol=1e-5, atol=1e-6)
    assert int((rate.abs() > 1e-3).sum()) == 2


def test_a_repelled_winner_is_counted_and_leaves_the_radius() -> None:
    x, w = problem(4)
    rows = KrotovHopfield(k=2).rows(-x, w.abs() + 0.1)
    assert rows.repelled == len(x)
    assert KrotovHopfield(k=2).rows(x, w.abs() + 0.1).repelled == 0


def test_ties_pick_any_of_the_tied_units_but_never_one_twice() -> None:
    w = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    x = torch.tensor([[1.0, 0.2]], dtype=torch.float64)
    for make, k in itertools.product((KrotovHopfield, KrotovHopfieldSequential), (2, 3)):
        rule = make(p=2.0, k=k, delta=0.4)
        rows = rule.rows(x, w)
        assert len(rows.units) == 2
        allowed = [
            change(x.tolist(), w.tolist(), 2.0, 1.0, lambda h, a=a, b=b: {a: 1.0, b: -0.4})
            for a, b in itertools.permutations(range(3), 2)
        ]
        found = rule.update(x, w)
        assert any(torch.equal(found, torch.tensor(a, dtype=torch.float64)) for a in allowed)


def test_repeated_samples_and_a_unit_that_wins_and_loses() -> None:
    x, w = problem(6, batch=3)
    x = torch.cat([x, x, x[:1]])
    wanted = change(x.tolist(), w.tolist(), 3.0, 1.0, lambda h: fast_gains(h, 2, 0.4))
    rows = KrotovHopfield().rows(x, w)
    assert len(rows.units) < 2 * len(x)
    assert_near(KrotovHopfield().update(x, w), wanted, 1e-12)
    w = torch.tensor([[1.0, 0.1], [0.1, 1.0]], dtype=torch.float64)
    x = torch.eye(2, dtype=torch.float64)
    wanted = change(x.tolist(), w.tolist(), 3.0, 1.0, lambda h: fast_gains(h, 2, 0.4))
    assert_near(KrotovHopfield().update(x, w), wanted, 1e-14)


def test_bfloat16_products_change_close_rankings_only(multiplies_bfloat16: Callable[[bool], None]) -> None:
    """Where ranks differ, the currents differ by less than rounding can make; the rest is the float32 rule."""
    multiplies_bfloat16(True)
    g = torch.Generator().manual_seed(7)
    x = torch.rand(400, 192, generator=g)
    x /= torch.linalg.vector_norm(x, 3.0, dim=1, keepdim=True)
    w = torch.randn(150, 192, generator=g)
    rule, exact = KrotovHopfield(k=2, precision="bfloat16"), KrotovHopfield(k=2)
    strength = exact.derive(w).double()
    h = x.double() @ strength.T
    # each factor and the result are rounded to 8 bits: 2^-9 of the terms twice, and of the sum
    slack = 2.0**-8 * 1.01 * (x.double() @ strength.abs().T) + 2.0**-9 * h.abs()
    rows = rule.rows(x, w)
    assert int((rows.winners != exact.rows(x, w).winners).sum()) > 0  # the case happens
    best = h.max(1)
    lost = best.values - h.gather(1, rows.winners[:, None])[:, 0]
    reach = slack.gather(1, best.indices[:, None])[:, 0] + slack.gather(1, rows.winners[:, None])[:, 0]
    assert bool((lost <= reach).all())
    assert float((rows.winners == best.indices).double().mean()) > 0.9


def test_without_native_products_the_rule_is_that_of_float32(multiplies_bfloat16: Callable[[bool], None]) -> None:
    multiplies_bfloat16(False)
    g = torch.Generator().manual_seed(9)
    x, w = torch.rand(50, 64, generator=g), torch.randn(20, 64, generator=g)
    rough, exact = KrotovHopfield(precision="bfloat16"), KrotovHopfield()
    assert torch.equal(rough.update(x, w), exact.update(x, w))


def test_bfloat16_update_is_exact_given_winners_and_currents(multiplies_bfloat16: Callable[[bool], None]) -> None:
    multiplies_bfloat16(True)
    g = torch.Generator().manual_seed(8)
    x, w = torch.rand(50, 64, generator=g), torch.randn(20, 64, generator=g)
    rule = KrotovHopfield(k=2, delta=0.3, radius=1.3, precision="bfloat16")
    h = (x.bfloat16() @ rule.operand(w).T).double()
    order = h.topk(2, dim=1).indices
    gain = torch.zeros_like(h).scatter_(1, order[:, :1], 1.0).scatter_(1, order[:, 1:], -0.3)
    wanted = 1.3**3 * gain.T @ x.double() - (gain * h).sum(0)[:, None] * w.double()
    assert_near(rule.update(x, w), wanted, 1e-6)
    torch.testing.assert_close(rule.rows(x, w).winners, order[:, 0])
