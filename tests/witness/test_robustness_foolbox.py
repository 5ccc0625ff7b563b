"""FGSM and PGD against foolbox: the same eps, step and start give the same adversarial images."""

import pytest
import torch
from quiet_foolbox import foolbox
from torch import Tensor, nn

from eigencode.base.types import Bounds
from eigencode.robustness import FGSM, PGD
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle


@pytest.fixture
def case() -> tuple[nn.Module, Tensor, Tensor]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5)).eval()
    x = torch.rand(24, 1, 8, 8)
    return net, x, net(x).argmax(1)


@pytest.mark.parametrize("eps", [0.003, 0.1, 2.0])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fgsm(case: tuple[nn.Module, Tensor, Tensor], norm: str, eps: float) -> None:
    net, x, y = case
    attack = foolbox.attacks.LinfFastGradientAttack() if norm == "linf" else foolbox.attacks.L2FastGradientAttack()
    theirs, _, success = attack(foolbox.PyTorchModel(net, bounds=(0, 1)), x, y, epsilons=eps)
    ours = FGSM(norm=norm)(net, x, y, eps)
    torch.testing.assert_close(ours.clipped, theirs.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.success, success)


@pytest.mark.parametrize("loss", ["cross_entropy", "log_odds"])  # another loss, the same steps
@pytest.mark.parametrize("eps", [0.02, 0.5])
@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd(case: tuple[nn.Module, Tensor, Tensor], norm: str, random_start: bool, eps: float, loss: str) -> None:
    net, x, y = case
    ours = PGD(norm=norm, steps=10, rel_step=0.07, keep="last", random_start=random_start, loss=loss)
    base = {"linf": foolbox.attacks.LinfProjectedGradientDescentAttack, "l2": foolbox.attacks.L2PGD}[norm]

    class SameStart(base):  # type: ignore[misc, valid-type]
        def get_random_start(self, x0: object, epsilon: float) -> object:
            starts = ours.prepare(Oracle(net), x, Goal(y), Bounds(), Draws.of(None, len(x)))
            assert starts is not None
            return type(x0)(x + epsilon * starts[:, 0])  # type: ignore[call-arg]

    attack = SameStart(rel_stepsize=0.07, steps=10, random_start=random_start)
    theirs, _, success = attack(foolbox.PyTorchModel(net, bounds=(0, 1)), x, y, epsilons=eps)
    found = ours(net, x, y, eps)
    torch.testing.assert_close(found.clipped, theirs.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.success, success)
