"""A code that starts inside a network computes what the network computes from there, however it is built."""

import types
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.models import UnitNorm
from eigencode.representation.at import at, between

X = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def seeded(*layers: tuple[str, nn.Module]) -> nn.Sequential:
    net = nn.Sequential(OrderedDict(layers))
    source = torch.Generator().manual_seed(1)
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=source)
    return net


def shared_relu() -> nn.Sequential:
    relu, middle = nn.ReLU(), nn.Linear(9, 9)
    linear = (("a", nn.Linear(16, 9)), ("r1", relu), ("b", middle), ("r2", relu), ("c", middle), ("d", nn.Linear(9, 3)))
    return seeded(("norm", UnitNorm(p=3)), ("flat", nn.Flatten()), *linear)


@pytest.mark.parametrize("start", ["norm", "flat", "a", "r1", "b"])
def test_a_shared_child_runs_as_often_as_the_network_runs_it(start: str) -> None:
    net = shared_relu()
    code = between(net, start, "logits")
    torch.testing.assert_close(code(code.points(X)), net(X))


def test_closed_forms_and_attacks_know_shared_children() -> None:
    relu = nn.ReLU()
    net = seeded(("norm", UnitNorm(p=3)), ("flat", nn.Flatten()), ("a", nn.Linear(16, 9)), ("r1", relu),
                 ("b", nn.Linear(9, 9)), ("r2", relu), ("c", nn.Linear(9, 3)))  # fmt: skip
    apart = seeded(("norm", UnitNorm(p=3)), ("flat", nn.Flatten()), ("a", nn.Linear(16, 9)), ("r1", nn.ReLU()),
                   ("b", nn.Linear(9, 9)), ("r2", nn.ReLU()), ("c", nn.Linear(9, 3)))  # fmt: skip
    apart.load_state_dict(net.state_dict())
    for space in ("pixel", "unit"):
        one, two = (ec.jacobian_norm(at(n, "logits", space), X) for n in (net, apart))
        torch.testing.assert_close(one.value, two.value)
        labelled, attack = (X, net(X).argmax(1)), ec.robustness.PGD(steps=5)
        one, two = (ec.robustness.critical_size(n, labelled, attack, space=space, check=False) for n in (net, apart))
        torch.testing.assert_close(one.size, two.size)
    one, two = (ec.geometry.lipschitz_upper(n, "logits", space="unit", x=X) for n in (net, apart))
    assert one.value == two.value


def test_unit_space_starts_at_the_first_child_only() -> None:
    net = seeded(("pre", nn.Conv2d(1, 1, 3, padding=1)), ("norm", UnitNorm(p=3)), ("flat", nn.Flatten()),
                 ("a", nn.Linear(16, 3)))  # fmt: skip
    for ask in (
        lambda: at(net, "logits", space="unit"),
        lambda: ec.robustness.critical_size(net, (X, net(X).argmax(1)), ec.robustness.PGD(steps=2), space="unit"),
    ):
        with pytest.raises(InputError, match=r"no unit space[\s\S]*ec\.between\(net, 'norm'"):
            ask()
    code = between(net, "norm", "logits")
    torch.testing.assert_close(code(code.points(X)), net(X))


def test_a_forward_of_the_instance_counts() -> None:
    net = seeded(("flat", nn.Flatten()), ("a", nn.Linear(16, 9)), ("r", nn.ReLU()), ("b", nn.Linear(9, 3)))
    plain = net.forward

    def tripled(self: nn.Module, x: Tensor) -> Tensor:
        return 3 * plain(x)

    net.forward = types.MethodType(tripled, net)
    code = between(net, "a", "logits")
    torch.testing.assert_close(code(code.points(X)), net(X))
    torch.testing.assert_close(ec.jacobian_norm(net, X).value, ec.jacobian_norm(lambda x: net(x), X).value)


class Inside(nn.Module):
    """Its `norm` and its `encoder` are second names of modules that are called once."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(UnitNorm(p=3), nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))
        self.norm, self.encoder = self.body[0], self.body[2]

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_second_names_of_modules_that_are_called_once_may_start_and_end_a_code() -> None:
    net = Inside()
    hidden = net.body[:3](X)
    for space in ("pixel", "unit"):
        code = at(net, "encoder", space)
        torch.testing.assert_close(code(code.points(X)), hidden)
        code = at(net, "logits", space)
        torch.testing.assert_close(code(code.points(X)), net(X))
    for start in ("norm", "encoder"):
        code = between(net, start, "logits")
        torch.testing.assert_close(code(code.points(X)), net(X))


def read(net: nn.Module, start: str, end: str) -> Tensor:
    code = between(net, start, end)
    return code(code.points(X))


def test_a_second_name_of_a_module_that_is_called_twice_neither_starts_nor_ends_a_code() -> None:
    net = shared_relu()
    for start, end in (("a", "r2"), ("r2", "logits"), ("norm", "c")):
        with pytest.raises(InputError, match="second name"):
            read(net, start, end)
