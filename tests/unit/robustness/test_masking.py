"""Planted masking is flagged and warned about; an ordinary trained network is not."""

import math
import warnings

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from eigencode.base.errors import EigencodeWarning
from eigencode.base.types import Images
from eigencode.robustness import FGSM, PGD, Gaussian, critical_size, curve, masking_checks


def trained(temperature: float) -> nn.Module:
    """A small network trained on digits with its logits divided by `temperature`, as in defensive distillation."""
    data = load_digits()
    x = torch.tensor(data.images[:1000, None] / 16, dtype=torch.float32)
    y = torch.tensor(data.target[:1000])
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2 * max(1.0, temperature / 10))
    for _ in range(120):
        optimiser.zero_grad()
        functional.cross_entropy(net(x) / temperature, y).backward()
        optimiser.step()
    return net


@pytest.fixture(scope="module")
def held_out() -> Images:
    data = load_digits()
    return Images(torch.tensor(data.images[1000:, None] / 16, dtype=torch.float32), torch.tensor(data.target[1000:]))


class Scaled(nn.Module):
    def __init__(self, net: nn.Module, factor: float) -> None:
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.factor


class Rounded(nn.Module):
    """Grey levels in the first step: no gradient, but nothing gained against random search."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x * 6).round() / 6)


def test_an_ordinary_network_is_not_flagged(held_out: Images) -> None:
    net = trained(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = masking_checks(net, held_out)
    assert found.flags == ()
    assert found.n == 30
    assert found.zero_gradients == 0
    assert found.finite_difference < 0.05
    assert found.unbounded == 1
    assert found.pgd >= found.fgsm - 0.05


def test_defensive_distillation_is_flagged(held_out: Images) -> None:
    with pytest.warns(EigencodeWarning, match="may hide its gradients"):
        found = masking_checks(trained(100.0), held_out)
    assert found.zero_gradients > 0.1
    assert any("gradients are zero" in flag for flag in found.flags)


def test_scaled_logits_are_flagged_and_do_not_fool_the_default_loss(held_out: Images) -> None:
    net = trained(1.0)
    with pytest.warns(EigencodeWarning):
        found = critical_size(Scaled(net, 100.0), held_out, PGD(steps=5))
    assert any("cross-entropy saturates" in flag for flag in found.masking.flags)
    plain = critical_size(net, held_out, PGD(steps=5), check=False)
    fooled = critical_size(Scaled(net, 100.0), held_out, PGD(steps=5, loss="cross_entropy"), check=False)
    assert int(fooled.censored.sum()) > len(fooled.index) / 3
    assert float(found.median) < 1.05 * float(plain.median)


def test_rounding_is_flagged(held_out: Images) -> None:
    found = masking_checks(Rounded(trained(1.0)), held_out, warn=False)
    assert found.zero_gradients == 1
    assert found.finite_difference > 0.9
    assert found.black_box > found.pgd + 0.2
    assert len(found.flags) >= 3


def test_when_the_checks_run(held_out: Images) -> None:
    net = trained(1.0)
    assert critical_size(net, held_out, Gaussian()).masking.n == 0
    assert math.isnan(curve(net, held_out, FGSM(), [0.1], check=False).masking.pgd)
    first = curve(net, held_out, FGSM(), [0.1]).masking
    assert first.n == 30
    assert curve(net, held_out, FGSM(), [0.1], check=first).masking is first
