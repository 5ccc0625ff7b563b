"""Critical sizes where the distance to the boundary is known: linear and quadratic classifiers."""

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.types import Images
from eigencode.robustness import DDN, FGSM, FMN, PGD, MinimumNorm, Perturbation, Sphere, critical_size, curve

DUAL_ORDER = {"linf": 1, "l2": 2, "l1": torch.inf}


@pytest.fixture
def linear() -> tuple[nn.Module, Images]:
    """Two classes, weights small enough that no pixel reaches the box before the boundary is crossed."""
    g = torch.Generator().manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(2, 36, generator=g))
        net[1].bias.copy_(-net[1].weight.sum(1) / 2)  # the boundary passes through the middle of the box
    x = 0.5 + 0.02 * torch.randn(40, 1, 6, 6, generator=g)
    return net, Images(x, net(x).argmax(1))


def exact(net: nn.Module, x: Tensor, norm: str) -> Tensor:
    """|margin| / ‖w₁ − w₀‖ in the dual norm."""
    w = (net[1].weight[1] - net[1].weight[0]).double()
    logits = x.flatten(1).double() @ net[1].weight.double().T + net[1].bias.double()
    return ((logits[:, 1] - logits[:, 0]).abs() / torch.linalg.vector_norm(w, DUAL_ORDER[norm])).detach()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_fgsm_and_pgd_find_the_exact_distance_of_a_linear_classifier(
    linear: tuple[nn.Module, Images], norm: str
) -> None:
    net, test = linear
    test = test if norm != "l1" else test[:20]  # five times the steps
    truth = exact(net, test.x, norm)
    pgd = PGD(norm=norm, random_start=False) if norm != "l1" else PGD(norm=norm, steps=100, rel_step=1.0)
    for attack in (FGSM(norm=norm), pgd):
        found = critical_size(net, test, attack, tolerance=1e-3)
        torch.testing.assert_close(found.eps, truth, rtol=1.2e-3, atol=2e-6)
        assert not bool(found.censored.any())
    ordered = truth.sort().values
    eps = ((ordered[1:] + ordered[:-1]) / 2)[ordered.diff() > 0.01 * ordered[1:]][::3]
    expected = (truth[:, None] > eps).double().mean(0)
    for attack in (FGSM(norm=norm), pgd):
        result = curve(net, test, attack, eps)
        torch.testing.assert_close(result.accuracy, expected)
        torch.testing.assert_close(result.worst_case_accuracy, expected)


@pytest.mark.parametrize("attack", [DDN(), FMN("linf"), FMN("l2"), FMN("l1", steps=300)], ids=lambda a: a.name)
def test_minimum_norm_attacks_find_the_exact_distance_of_a_linear_classifier(
    linear: tuple[nn.Module, Images], attack: MinimumNorm
) -> None:
    net, test = linear
    truth = exact(net, test.x, attack.norm)
    found = critical_size(net, test, attack)
    torch.testing.assert_close(found.eps, truth, rtol=2e-3, atol=2e-6)


class Ball(nn.Module):
    """Class 1 outside the sphere ‖x − 1/2‖ = r: the distance to the boundary is |‖x − 1/2‖ − r|, in L2."""

    def forward(self, x: Tensor) -> Tensor:
        score = (x.flatten(1) - 0.5).square().sum(1) - 0.3**2
        return torch.stack([-score, score], 1)


@pytest.mark.parametrize(
    "attack", [DDN(), FMN("l2"), PGD("l2", random_start=False), FGSM("l2"), Sphere()], ids=lambda a: a.name
)
def test_quadratic_classifier(attack: MinimumNorm | Perturbation) -> None:
    net = Ball()
    g = torch.Generator().manual_seed(1)
    d = torch.randn(30, 1, 2, 2, generator=g)
    radius = torch.linspace(0.02, 0.45, 30).reshape(-1, 1, 1, 1)
    test = Images(0.5 + radius * d / d.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1), torch.zeros(30).long())
    test = Images(test.x, net(test.x).argmax(1))
    truth = ((test.x.double() - 0.5).flatten(1).norm(dim=1) - 0.3).abs()
    found = critical_size(net, test, attack, tolerance=1e-3)
    broken = ~found.censored
    assert bool((found.distance[broken] > truth[broken] - 2e-6).all()), "nothing is nearer than the boundary"
    if not isinstance(attack, Sphere):  # a random direction does not point at the boundary
        torch.testing.assert_close(found.distance[broken], truth[broken], rtol=2e-3, atol=2e-6)
        assert int(found.censored.sum()) == 0
