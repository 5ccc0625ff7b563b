"""What every perturbation owes: one table for all of them, and two bad ones it must catch.

A new perturbation or minimum-norm attack is one more row in `PERTURBATIONS` or `NEAREST`.
"""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import Phase, given, settings, strategies as st
from torch import Tensor, nn

from eigencode.base.types import Bounds, Norm
from eigencode.paper.published import PublishedGaussian, PublishedPGD
from eigencode.robustness import DDN, FGSM, FMN, PGD, Gaussian, MinimumNorm, Perturbation, Sphere, Square
from eigencode.robustness._balls import length
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle

PERTURBATIONS: list[Perturbation] = [
    Gaussian(),
    Sphere(),
    *[FGSM(norm=norm) for norm in ("linf", "l2", "l1")],
    *[FGSM(loss=loss) for loss in ("cross_entropy", "margin", "dlr")],
    *[PGD(norm=norm, steps=4) for norm in ("linf", "l2", "l1")],
    *[PGD(norm=norm, steps=3, random_start=False, keep="last", loss="margin") for norm in ("linf", "l2", "l1")],
    *[PGD(norm=norm, steps=2, restarts=3, step=0.05) for norm in ("linf", "l2", "l1")],
    *[Square(norm=norm, steps=6) for norm in ("linf", "l2", "l1")],
    PublishedGaussian(),
    PublishedPGD(steps=4),
]
NEAREST: list[MinimumNorm] = [DDN(steps=12), *[FMN(norm=norm, steps=12) for norm in ("linf", "l2", "l1")]]
NETWORKS = ["ordinary", "flat", "dead"]
FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # no shrinking: networks do not shrink, and it takes minutes
)
SLACK = 1 + 1e-6


@dataclass
class Case:
    net: nn.Module
    x: Tensor
    y: Tensor
    bounds: Bounds
    seed: int

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


class Flat(nn.Module):
    """All logits equal, everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return (0 * x.flatten(1).sum(1, keepdim=True)).expand(-1, 5)


class Dead(nn.Module):
    """Constant logits behind a step function: zero gradients, one class always."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([0.0, 3.0, 1.0, 1.0, -2.0], dtype=x.dtype) + 0 * x.flatten(1).sum(1, keepdim=True)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small networks, ordinary or without gradient; images of one pixel or more, some of them on the box."""
    seed = draw(st.integers(0, 2**31))
    g = torch.Generator().manual_seed(seed)
    shape = draw(st.sampled_from([(1, 1, 1), (1, 2, 3), (3, 4, 4)]))
    n = draw(st.integers(1, 4))
    bounds = draw(st.sampled_from([Bounds(), Bounds(-0.7, 2.3)]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    x = torch.rand(n, *shape, generator=g, dtype=torch.float64)
    x = bounds.lower + (bounds.upper - bounds.lower) * (1.4 * x - 0.2).clamp(0, 1)
    inputs = shape[0] * shape[1] * shape[2]
    kind = draw(st.sampled_from(NETWORKS))
    net: nn.Module = {"flat": Flat(), "dead": Dead()}.get(kind, nn.Sequential(nn.Flatten(), nn.Linear(inputs, 5)))
    if kind == "ordinary":
        scale = draw(st.sampled_from([1.0, 1e-3, 1e3]))
        with torch.no_grad():
            net[1].weight.copy_(scale * torch.randn(5, inputs, generator=g))  # type: ignore[index, union-attr, operator]
    y = torch.randint(0, 5, (n,), generator=g)
    return Case(net.to(dtype), bounds.clip(x.to(dtype)), y, bounds, seed)


sizes = st.one_of(st.just(0.0), st.floats(1e-7, 10.0, allow_nan=False))


def feasible(attack: Perturbation, case: Case, eps: float) -> None:
    """Everything `__call__` promises about what it returns."""
    found = attack(case.net, case.x, case.y, eps, case.bounds, case.generator())
    delta = found.clipped - case.x
    for result in (found.raw, found.clipped):
        assert bool(torch.isfinite(result).all())
        assert result.shape == case.x.shape
        assert result.dtype == case.x.dtype
    assert case.bounds.contains(found.clipped, tolerance=0.0)
    if attack.ball:
        assert bool((length(delta, attack.norm) <= eps * SLACK).all()), length(delta, attack.norm)
    if eps == 0:
        torch.testing.assert_close(found.clipped, case.x, rtol=0, atol=0)
    torch.testing.assert_close(found.size, length(delta, "l2"), rtol=0, atol=0)
    torch.testing.assert_close(found.distance, length(delta, attack.norm), rtol=0, atol=0)
    torch.testing.assert_close(found.success, case.net(found.clipped).argmax(1) != case.y)
    assert 0 <= found.zero_gradients <= found.gradients


def honest(attack: Perturbation, case: Case, eps: float) -> None:
    """The leaf itself keeps to the ball and the box, so that what the base projects away is rounding only.

    (FGSM, its L2 step and noise walk out of the box on purpose and are cut there, as are the published attacks; a ball
    they must keep to.)
    """
    model, goal = Oracle(case.net), Goal(case.y)
    prepared = attack.prepare(model, case.x, goal, case.bounds, Draws.of(case.generator(), len(case.x)))
    raw = attack.run(model, case.x, goal, torch.full((len(case.x),), eps).double(), case.bounds, prepared)
    if attack.ball:
        slack = 1e-5 * eps + 4 * torch.finfo(raw.dtype).eps * case.x[0].numel()
        assert bool((length(raw - case.x, attack.norm) <= eps + slack).all()), length(raw - case.x, attack.norm)
    if not attack.path and not isinstance(attack, PublishedGaussian | PublishedPGD):
        assert case.bounds.contains(raw)


def deterministic(attack: Perturbation, case: Case, eps: float) -> None:
    """The same generator gives the same result, and global random numbers play no part."""
    first = attack(case.net, case.x, case.y, eps, case.bounds, case.generator())
    torch.rand(3)
    again = attack(case.net, case.x, case.y, eps, case.bounds, case.generator())
    torch.testing.assert_close(vars(again), vars(first), rtol=0, atol=0)


def independent_of_batches(attack: Perturbation, case: Case, eps: float) -> None:
    """An image meets the same perturbation in any batch; eps per image equals one call per eps."""
    model, goal = Oracle(case.net), Goal(case.y)
    n = len(case.x)
    radii = eps * torch.linspace(0.5, 1.0, n, dtype=torch.float64)
    prepared = attack.prepare(model, case.x, goal, case.bounds, Draws(case.seed, range(n)))
    whole = attack.perturb(model, case.x, goal, radii, case.bounds, prepared)
    for i in range(n):
        row = torch.tensor([i])
        x, mine = case.x[row], goal.take(row)
        prepared = attack.prepare(model, x, mine, case.bounds, Draws(case.seed, [i]))
        alone = attack.perturb(model, x, mine, radii[row], case.bounds, prepared)
        torch.testing.assert_close(alone.clipped, whole.clipped[row], rtol=1e-4, atol=1e-4)


def leaves_caller_alone(attack: Perturbation | MinimumNorm, case: Case, eps: float) -> None:
    """No tensor, gradient flag, mode or random state of the caller changes."""
    case.net.train()
    x, y = case.x.clone().requires_grad_(), case.y.clone()
    before = torch.random.get_rng_state()
    if isinstance(attack, MinimumNorm):
        attack(case.net, x, y, case.bounds)
    else:
        attack(case.net, x, y, eps, case.bounds)
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)
    torch.testing.assert_close(x.detach(), case.x, rtol=0, atol=0)
    torch.testing.assert_close(y, case.y, rtol=0, atol=0)
    assert x.grad is None
    assert all(m.training for m in case.net.modules())
    assert all(p.requires_grad and p.grad is None for p in case.net.parameters())


TABLE = [feasible, honest, deterministic, independent_of_batches, leaves_caller_alone]


@pytest.mark.parametrize("rule", TABLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("attack", PERTURBATIONS, ids=lambda a: a.name)
def test_perturbation(attack: Perturbation, rule: object) -> None:
    @settings(FEW)
    @given(case=cases(), eps=sizes)
    def check(case: Case, eps: float) -> None:
        rule(attack, case, eps)  # type: ignore[operator]

    check()


@pytest.mark.parametrize("attack", NEAREST, ids=lambda a: a.name)
def test_minimum_norm_attack(attack: MinimumNorm) -> None:
    @settings(FEW)
    @given(case=cases())
    def check(case: Case) -> None:
        found = attack(case.net, case.x, case.y, case.bounds, case.generator())
        assert bool(torch.isfinite(found.clipped).all())
        assert case.bounds.contains(found.clipped, tolerance=0.0)
        torch.testing.assert_close(found.success, case.net(found.clipped).argmax(1) != case.y)
        torch.testing.assert_close(found.distance, length(found.clipped - case.x, attack.norm), rtol=0, atol=0)
        wrong = case.net(case.x).argmax(1) != case.y
        assert bool((found.distance[wrong] == 0).all()), "an image that is wrong already needs no perturbation"
        again = attack(case.net, case.x, case.y, case.bounds, case.generator())
        torch.testing.assert_close(vars(again), vars(found), rtol=0, atol=0)
        leaves_caller_alone(attack, case, 0.0)

    check()


@dataclass(frozen=True)
class IgnoresEps(Perturbation):
    norm: Norm = "linf"

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        return bounds.clip(x + 0.3 * model.gradient(x, goal, "margin")[0].sign())


@dataclass(frozen=True)
class LeavesTheBox(Perturbation):
    norm: Norm = "linf"

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        return x + eps.to(x.dtype).reshape(-1, 1, 1, 1) * model.gradient(x, goal, "margin")[0].sign()


@pytest.mark.parametrize("attack", [IgnoresEps(), LeavesTheBox()], ids=lambda a: type(a).__name__)
def test_the_table_catches_a_bad_attack(attack: Perturbation) -> None:
    with pytest.raises(AssertionError):
        test_perturbation(attack, honest)
    test_perturbation(attack, feasible)  # the base repairs what it can and judges only that


def test_zero_gradients_are_counted() -> None:
    x, y = torch.rand(7, 1, 2, 2), torch.full((7,), 1)
    found = PGD(steps=5)(Dead(), x, y, 0.1)
    assert (found.zero_gradients, found.gradients) == (35, 35)
    assert not bool(found.success.any())
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    assert PGD(steps=5)(net, x, net(x).argmax(1), 1e-4).zero_gradients == 0


def test_a_gradient_that_is_not_finite_counts_as_zero() -> None:
    """√0 has an infinite slope, 0 · √0 none at all: one such pixel, and the image has no direction to go."""
    x = torch.tensor([[0.25, 1.0], [0.0, 1.0], [1.0, 0.25], [0.0, 0.0]])
    weight = torch.tensor([[1.0], [1.0], [1.0], [0.0]])  # inf, and 0 · inf = NaN
    model = Oracle(lambda x: torch.cat([x.sqrt().sum(1, keepdim=True) * weight, torch.zeros(4, 1)], 1))
    slope, _, _ = model.gradient(x, Goal(torch.tensor([1, 1, 1, 1])), "cross_entropy")
    assert torch.isfinite(slope).all()
    assert (slope != 0).all(1).tolist() == [True, False, True, False]
    assert not slope[[1, 3]].any()
    assert (model.gradients, model.zero_gradients) == (4, 2)
