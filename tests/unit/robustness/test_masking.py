"""Planted masking is flagged and warned about; an ordinary trained network is not."""

import math
import re
import warnings
from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from eigencode.base.errors import EigencodeWarning
from eigencode.base.types import Images
from eigencode.robustness import (
    DDN,
    FGSM,
    FMN,
    PGD,
    Gaussian,
    MinimumNorm,
    Perturbation,
    critical_size,
    curve,
    masking_checks,
)
from eigencode.robustness.masking import _spaced


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
    assert found.black_box > found.pgd + 0.1
    assert len(found.flags) >= 3


class Noisy(nn.Module):
    """A layer that draws anew at every call, as in randomised defences."""

    def __init__(self, net: nn.Module, size: float, dropout: bool = False) -> None:
        super().__init__()
        self.net, self.size, self.dropout = net, size, dropout

    def forward(self, x: Tensor) -> Tensor:
        if self.dropout:
            return self.net(functional.dropout(x, self.size, training=True))
        return self.net(x + self.size * torch.randn_like(x))


class Steps(nn.Module):
    """Thermometer code: a rounded input with a gradient that says nothing, the input itself of weight 1e-3."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x * 5).round().detach() / 5 + 1e-3 * x.sin())


class Shattered(nn.Module):
    """A fast small wave on every pixel: gradients exist, are large, and point anywhere."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x + 0.003 * torch.sin(x * 2e4))


MASKED: dict[str, tuple[Callable[[nn.Module], nn.Module], str]] = {
    "rounding": (Rounded, "gradients are zero"),
    "thermometer": (Steps, "with random search|finite differences"),
    "shattered": (Shattered, "finite differences|of these 20 steps only"),
    "saturated": (lambda net: Scaled(net, 60.0), "cross-entropy"),
    "noise": (lambda net: Noisy(net, 0.02), "the network is random"),
    "dropout": (lambda net: Noisy(net, 0.1, dropout=True), "the network is random"),
}


@pytest.mark.filterwarnings("ignore:the same images give other numbers")
@pytest.mark.parametrize("images", [8, 30])
@pytest.mark.parametrize("name", list(MASKED))
def test_known_masked_networks_are_flagged_on_few_images_too(held_out: Images, name: str, images: int) -> None:
    wrap, word = MASKED[name]
    net = wrap(trained(1.0))
    flags = masking_checks(net, held_out, images=images, warn=False).flags
    assert any(re.search(word, flag) for flag in flags), flags


@pytest.mark.parametrize("classes", [2, 5, 10])
@pytest.mark.parametrize("kind", ["plain", "convolution", "batch norm"])
def test_ordinary_networks_are_not_flagged(kind: str, classes: int) -> None:
    data = load_digits(n_class=classes)
    x, y = torch.tensor(data.images[:, None] / 16, dtype=torch.float32), torch.tensor(data.target)
    x = x.clamp_min(1e-3)
    torch.manual_seed(1)
    start: list[nn.Module] = [nn.Flatten(), nn.Linear(64, 32)]
    if kind == "convolution":
        start = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 32)]
    net = nn.Sequential(*start, *([nn.BatchNorm1d(32)] * (kind == "batch norm")), nn.ReLU(), nn.Linear(32, classes))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        functional.cross_entropy(net(x[:300]), y[:300]).backward()
        optimiser.step()
    net.eval()
    for first in (0, 30):
        for images in (8, 30):
            some = Images(x[300 + first : 340 + first], y[300 + first : 340 + first])
            assert masking_checks(net, some, images=images, warn=False).flags == ()


@pytest.mark.parametrize("images", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_untrained_networks_are_rarely_flagged(images: int) -> None:
    flagged = 0
    for seed in range(40):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 4))
        x = torch.rand(60, 1, 4, 4)
        flagged += bool(
            masking_checks(net, Images(x, net(x).argmax(1), classes="abcd"), images=images, warn=False).flags
        )
    assert flagged <= 4


class Counted(nn.Module):
    """Counts the work of a network: an evaluation is 1, one for a gradient 3."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.work = net, 0

    def forward(self, x: Tensor) -> Tensor:
        self.work += len(x) * (3 if x.requires_grad else 1)
        return self.net(x)


@pytest.mark.parametrize(
    "attack", [FGSM(), FGSM("l2"), PGD(steps=20), PGD("l1", steps=5), DDN(steps=30), FMN(steps=30)]
)
@pytest.mark.parametrize("images", [60, 200])
def test_the_checks_cost_less_than_half_of_their_measurement(
    held_out: Images, attack: Perturbation | MinimumNorm, images: int
) -> None:
    net = Counted(trained(1.0))
    critical_size(net, held_out[:images], attack, check=False)
    alone, net.work = net.work, 0
    found = critical_size(net, held_out[:images], attack)
    assert found.masking.n >= 8
    assert net.work - alone <= 0.5 * alone


def test_images_sorted_by_class_are_checked_evenly(held_out: Images) -> None:
    order = held_out.y.argsort(stable=True)
    sorted_by_class = Images(held_out.pixels[order], held_out.y[order])
    seen = _spaced(torch.arange(len(order)), 30)
    assert len(set(sorted_by_class.y[seen].tolist())) == 10
    assert _spaced(torch.arange(5), 30).tolist() == [0, 1, 2, 3, 4]
    assert len(_spaced(torch.arange(0), 30)) == 0


def test_when_the_checks_run(held_out: Images) -> None:
    net = trained(1.0)
    assert critical_size(net, held_out, Gaussian()).masking.n == 0
    assert math.isnan(curve(net, held_out, FGSM(), [0.1], check=False).masking.pgd)
    first = curve(net, held_out, FGSM(), [0.1]).masking
    assert 8 <= first.n <= 30
    assert curve(net, held_out, FGSM(), [0.1], check=first).masking is first
