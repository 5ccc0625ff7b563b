"""A chain read from modules computes what the modules compute, and refuses what it does not understand."""

import math
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from eigencode.representation.layers import chain, chain_to, layers_of, unit_norm_power


class Cubic(nn.Module):
    """relu(h)^3 under the name `power`."""

    power = 3.0

    def forward(self, h: Tensor) -> Tensor:
        return h.relu() ** 3


class Liar(nn.Module):
    """Says relu(h)^2, computes |h|^2."""

    n = 2.0

    def forward(self, h: Tensor) -> Tensor:
        return h.abs() ** 2


class Matrix(nn.Module):
    """A linear layer whose parameter is not its matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.root = nn.Parameter(torch.randn(3, 3, dtype=torch.float64))

    def matrix(self) -> Tensor:
        return self.root**3

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.matrix().T


class PNorm(nn.Module):
    def __init__(self, p: float, wrong: bool = False) -> None:
        super().__init__()
        self.p, self.wrong = p, wrong

    def forward(self, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x.flatten(1), self.p, dim=1).reshape(-1, 1, 1, 1)
        return x / (length**2 if self.wrong else length)


def trained_batch_norm(units: int) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(units).double()
    with torch.no_grad():
        norm.weight.uniform_(-2, 2)
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3)
    return norm


@pytest.mark.parametrize(
    "modules",
    [
        [nn.Linear(6, 3)],
        [nn.Flatten(), nn.Linear(6, 3, bias=False), nn.ReLU()],
        [nn.Linear(6, 3), Cubic()],
        [nn.Linear(6, 3), "norm"],
        [nn.Linear(6, 3, bias=False), "norm", nn.ReLU()],
        [nn.Linear(6, 3), nn.ReLU(), "norm"],
        [nn.Linear(6, 3), nn.ReLU(), "norm", nn.Dropout(), "norm"],
        [nn.Linear(6, 3), "norm", Cubic(), "norm", nn.Identity(), Matrix(), nn.ReLU()],
        [nn.Linear(6, 3), nn.Linear(3, 3), nn.ReLU(), Matrix(), "norm"],
    ],
)
def test_chain_computes_what_the_modules_compute(modules: list) -> None:
    net = nn.Sequential(*(trained_batch_norm(3) if m == "norm" else m for m in modules)).double().eval()
    x = torch.randn(50, 6, dtype=torch.float64)
    layers = chain(net)
    assert layers is not None
    z = x
    for layer in layers:
        z = layer(z)
    torch.testing.assert_close(z, net(x))


@pytest.mark.parametrize("power", [None, 1.0, 2.0, 4.5])
def test_slope_is_the_derivative(power: float | None) -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), trained_batch_norm(1)).double().eval()
    (layer,) = chain(net if power else net[:1])
    layer = layer.rectified(power) if power else layer
    h = torch.linspace(-2, 2, 21, dtype=torch.float64)[:, None].requires_grad_()
    z = type(layer)(torch.eye(1, dtype=torch.float64), None, layer.power, layer.scale, layer.shift)(h)
    torch.testing.assert_close(layer.slope(h.detach()), torch.autograd.grad(z.sum(), h)[0])


@pytest.mark.parametrize(
    "modules",
    [
        [nn.Conv2d(1, 2, 3)],
        [nn.ReLU(), nn.Linear(4, 2)],
        [nn.Linear(4, 2), nn.ReLU(), nn.ReLU()],
        [nn.Linear(4, 2), Liar()],
        [nn.Linear(4, 2), nn.Sigmoid()],
        [nn.Linear(4, 2), nn.BatchNorm1d(2, track_running_stats=False)],
        [],
    ],
)
def test_what_is_not_understood_has_no_layers(modules: list[nn.Module]) -> None:
    assert chain(modules) is None


def test_a_place_is_found_by_name_alias_and_not_otherwise() -> None:
    class Net(nn.Module):
        places: ClassVar[dict[str, str]] = {"code": "act"}

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.act_in, self.act, self.out = PNorm(2.0), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)

        def as_layers(self, place: str):
            return chain_to(self, place)

    net = Net()
    assert [len(layers_of(net, place) or ()) for place in ("act_in", "act", "code", "logits", "nothing")] == [
        1,
        1,
        1,
        2,
        0,
    ]
    assert layers_of(net, "act_in")[0].power is None
    assert layers_of(net, "code")[0].power == 1
    Net.as_layers = None
    assert layers_of(net, "code") is None  # an unknown module may run its children in any order


def test_unit_norm_is_believed_only_after_a_trial() -> None:
    net = nn.Module()
    assert unit_norm_power(net) is None
    net.norm = PNorm(3.0)
    assert unit_norm_power(net) == 3
    net.norm = PNorm(3.0, wrong=True)
    assert math.isnan(unit_norm_power(net))
    net.norm = nn.BatchNorm2d(1)
    assert math.isnan(unit_norm_power(net))
