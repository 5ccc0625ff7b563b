"""Projections and starting points against their definitions and slow searches."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.optimize import minimize
from torch import Tensor

from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import diameter, fill, in_ball, length, project, unit
from eigencode.robustness._draws import Draws

NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_projection_is_the_nearest_point(norm: Norm, rng: torch.Generator) -> None:
    """Against a general constrained optimiser: linf ball or l1 ball, and the box."""
    for trial in range(8):
        x = torch.rand(1, 5, generator=rng, dtype=torch.float64)
        point = x + 2 * torch.randn(1, 5, generator=rng, dtype=torch.float64)
        eps = 0.1 + 0.25 * trial
        got = project(x, point, torch.tensor([eps], dtype=torch.float64), norm, Bounds())
        # δ = a − b with a, b >= 0 makes the l1 ball a linear constraint
        target = (point - x)[0].numpy()
        limits = [(0.0, min(eps, float(1 - v))) if norm == "linf" else (0.0, float(1 - v)) for v in x[0]]
        limits += [(0.0, min(eps, float(v))) if norm == "linf" else (0.0, float(v)) for v in x[0]]
        ball = [] if norm == "linf" else [{"type": "ineq", "fun": lambda ab, eps=eps: eps - ab.sum()}]
        best = minimize(
            lambda ab, t=target: ((ab[:5] - ab[5:] - t) ** 2).sum(),
            torch.zeros(10).numpy(),
            bounds=limits,
            constraints=ball,
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-14},
        ).x
        nearest = x + torch.as_tensor(best[:5] - best[5:])
        torch.testing.assert_close(got, nearest, rtol=0, atol=2e-5)


def test_l2_projection_shortens_and_then_clips() -> None:
    x, point = torch.tensor([[0.5, 0.9]]), torch.tensor([[3.5, 4.9]])
    got = project(x, point, torch.tensor([0.5]).double(), "l2", Bounds())
    torch.testing.assert_close(got, torch.tensor([[0.8, 1.0]]))
    inside = project(x, x + 0.01, torch.tensor([0.5]).double(), "l2", Bounds())
    torch.testing.assert_close(inside, x + 0.01)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10**6), st.floats(1e-9, 4.0), st.sampled_from(NORMS), st.sampled_from([1, 2, 300]))
def test_float32_points_never_leave_the_ball(seed: int, eps: float, norm: Norm, inputs: int) -> None:
    """eps far below the spacing of float32 numbers near 1 included."""
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(3, inputs, generator=g)
    point = x + 10 * torch.randn(3, inputs, generator=g)
    got = project(x, point, torch.full((3,), eps).double(), norm, Bounds())
    assert Bounds().contains(got, tolerance=0.0)
    assert bool((length((got.double() - x.double()), norm) <= eps * (1 + 1e-6)).all())


def test_unit_survives_tiny_and_huge_numbers() -> None:
    g = torch.tensor([[3e-30, 4e-30], [3e30, 4e30], [0.0, 0.0]])
    torch.testing.assert_close(unit(g, "l2"), torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]]))


def test_fill_maximises_a_linear_function_on_the_l1_ball_in_the_box(rng: torch.Generator) -> None:
    from scipy.optimize import linprog

    for trial in range(6):
        x, g = torch.rand(1, 6, generator=rng).double(), torch.randn(1, 6, generator=rng).double()
        eps = 0.2 + 0.5 * trial
        got = fill(x, g, torch.tensor([eps], dtype=torch.float64), Bounds())
        cost = torch.cat([-g[0], g[0]]).numpy()
        limits = [(0, float(1 - v)) for v in x[0]] + [(0, float(v)) for v in x[0]]
        best = -linprog(cost, A_ub=[[1.0] * 12], b_ub=[eps], bounds=limits).fun
        torch.testing.assert_close(float((g * (got - x)).sum()), best)
        assert float((got - x).abs().sum()) <= eps * (1 + 1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_points_in_the_ball_are_uniform(norm: Norm) -> None:
    """The share of points within radius r is r^D in any norm; and the cloud is centred."""
    points = in_ball(Draws(0, range(4000)), (1, 3), norm)[:, 0]
    size = length(points, norm)
    for r in (0.5, 0.8):
        torch.testing.assert_close(float((size <= r).double().mean()), r**3, rtol=0, atol=0.025)
    assert float(size.max()) <= 1 + 1e-6
    torch.testing.assert_close(points.mean(0), torch.zeros(3), rtol=0, atol=0.03)


def test_diameter_is_the_distance_of_opposite_corners() -> None:
    corner: Tensor = torch.ones(1, 7)
    for norm in NORMS:
        assert diameter(norm, 7) == pytest.approx(float(length(corner, norm)))
