"""Critical sizes where the distance to the boundary is known: linear and quadratic classifiers."""

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.types import Images
from eigencode.robustness import FGSM, PGD, critical_size, curve

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
    truth = exact(net, test.x, norm)
    for attack in (FGSM(norm=norm), PGD(norm=norm, steps=20, random_start=False, sparsity=1 / 36)):
        found = critical_size(net, test, attack, tolerance=1e-4)
        torch.testing.assert_close(found.eps, truth, rtol=2e-4, atol=1e-6)
        assert not bool(found.censored.any())
        eps = torch.quantile(truth, torch.linspace(0.05, 0.95, 12, dtype=torch.float64))
        eps = eps * 1.001
        expected = (truth[:, None] > eps).double().mean(0)
        result = curve(net, test, attack, eps)
        torch.testing.assert_close(result.accuracy, expected)
        torch.testing.assert_close(result.worst_case_accuracy, expected)
