"""A function that carries a network is measured in evaluation mode and leaves the network as it was."""

import functools
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.representation._carried import carried
from eigencode.representation._modes import borrowed, device_of

Carrier = Callable[["Net"], Callable[[Tensor], Tensor]]


class Net(nn.Module):
    """BatchNorm whose statistics are not those of the images, and Dropout as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward_features(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(self.body(x), 0.5, self.training)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x))


@dataclass
class Ensemble:
    """Callable object with networks in a list and in a dictionary."""

    nets: list[nn.Module]
    more: dict[str, Any] = field(default_factory=dict)

    def __call__(self, x: Tensor) -> Tensor:
        return self.nets[0](x) + self.more["deep"][1](x)


class Slotted:
    __slots__ = ("net",)

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def __call__(self, x: Tensor) -> Tensor:
        return self.net(x)


class Unregistered(nn.Module):
    """A module that hides another in a tuple."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.hidden = (net,)

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](x)


KEPT: dict[str, nn.Module] = {}


def through_global(net: Net) -> Callable[[Tensor], Tensor]:
    KEPT["net"] = net
    return lambda x: KEPT["net"](x)


def through_class(net: Net) -> Callable[[Tensor], Tensor]:
    return type("Frozen", (), {"net": net, "__call__": lambda self, x: self.net(x)})()


def through_imported(net: Net) -> Callable[[Tensor], Tensor]:
    sys.modules["a_users_models"] = types.ModuleType("a_users_models")
    sys.modules["a_users_models"].net = net  # type: ignore[attr-defined]

    def run(x: Tensor) -> Tensor:
        import a_users_models  # type: ignore[import-not-found]

        return a_users_models.net(x)  # type: ignore[no-any-return]

    return run


def closures(net: Net) -> Callable[[Tensor], Tensor]:
    inner = lambda x: net(x)  # noqa: E731
    middle = lambda x: inner(x) + 0  # noqa: E731
    return lambda x: middle(x)


def weakly(net: Net) -> Callable[[Tensor], Tensor]:
    reference = weakref.ref(net)
    return lambda x: reference()(x)  # type: ignore[misc]


def generated(net: Net) -> Callable[[Tensor], Tensor]:
    """A search of attributes cannot look into a generator."""

    def forever() -> Iterator[nn.Module]:
        while True:
            yield net

    found = forever()
    return lambda x: next(found)(x)


def coded(net: Net) -> Callable[[Tensor], Tensor]:
    code, half = ec.at(net, "body.1"), ec.between(net, "body.1", "logits")
    return lambda x: half(code(x)) * 2


def default(net: Net) -> Callable[[Tensor], Tensor]:
    return lambda x, net=net: net(x)


CARRIERS: dict[str, Carrier] = {
    "module": lambda net: net,
    "bound method": lambda net: net.forward_features,
    "bound call": lambda net: net.__call__,
    "closures": closures,
    "default": default,
    "partial of a bound method": lambda net: functools.partial(net.forward_features),
    "partial of a partial": lambda net: functools.partial(functools.partial(lambda n, x: n(x), net)),
    "dataclass": lambda net: Ensemble([net], {"deep": (None, net)}),
    "slots": Slotted,
    "class attribute": through_class,
    "global": through_global,
    "import inside": through_imported,
    "weak reference": weakly,
    "generator": generated,
    "unregistered": Unregistered,
    "unregistered in a lambda": lambda net: lambda x: Unregistered(net)(x),
    "data parallel": lambda net: nn.DataParallel(net),
    "places": coded,
    "compiled module": lambda net: torch.compile(net, backend="eager"),  # type: ignore[return-value]
    "compiled function": lambda net: torch.compile(lambda x: net(x), backend="eager"),
    "compiled method": lambda net: torch.compile(net.forward_features, backend="eager"),
}

X = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CARRIERS)
def test_a_carried_network_is_evaluated_and_left_alone(name: str, leaves_no_trace) -> None:  # type: ignore[no-untyped-def]
    net = Net().train()
    function = CARRIERS[name](net)
    leaves_no_trace(net, X, lambda: ec.spectrum(function, X, interval=False))
    measured = ec.spectrum(function, X, interval=False).eigenvalues
    net.eval()
    torch.testing.assert_close(ec.spectrum(function, X, interval=False).eigenvalues, measured, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["bound method", "closures", "generator", "compiled function", "global"])
def test_every_measurement_borrows_it(name: str, leaves_no_trace) -> None:  # type: ignore[no-untyped-def]
    net = Net().train()
    function = CARRIERS[name](net)
    test = ec.Images(X, torch.arange(40) % 3)
    for action in (
        lambda: ec.jacobian_norm(function, X),
        lambda: ec.geometry.spectral_norm(function, X, iterations=3),
        lambda: ec.robustness.critical_size(function, test, ec.robustness.FGSM()),
        lambda: ec.robustness.curve(function, test, ec.robustness.Gaussian(), [0.1]),
        lambda: ec.robustness.PGD(steps=2)(function, X, test.y, 0.1),
        lambda: ec.spectra.spectra_by_width(function, X, widths=(2,), interval=False),
    ):
        leaves_no_trace(net, X, action)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_networks_are_found_in_their_methods() -> None:
    net = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8)))
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for function in (net, net.forward, lambda x: net(x)):
        spectra = [ec.spectrum(function, X, interval=False).eigenvalues for _ in range(2)]
        torch.testing.assert_close(*spectra, rtol=0, atol=0)
        assert ec.jacobian_norm(function, X).units == 8
        torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
        assert all(m.training for m in net.modules())


@pytest.mark.filterwarnings("ignore")
def test_statistics_of_a_network_that_was_traced_in_training_mode_are_restored() -> None:
    net = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8)), X, check_trace=False)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.warns(ec.base.errors.BatchWarning, match="mixes the images"):
        ec.spectrum(net, X, interval=False)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


def test_nothing_is_called_or_read_by_the_search() -> None:
    class Trap:
        @property
        def net(self) -> nn.Module:
            raise AssertionError("a property was read")

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

        def __call__(self, x: Tensor) -> Tensor:
            raise AssertionError("called")

    cyclic: list[object] = [Trap()]
    cyclic.append(cyclic)
    assert carried(cyclic, {1: cyclic}, abs, torch.relu, lambda x: x) == []


def test_the_search_is_bounded() -> None:
    assert carried([object() for _ in range(100_000)], range(10**12), {i: i for i in range(10**5)}) == []


def test_the_device_of_a_function_is_that_of_its_network() -> None:
    net = nn.Linear(2, 2, device="meta")
    assert device_of(lambda x: net(x)).type == "meta"


def test_a_network_found_only_when_called_gets_its_mode_back_after_an_error() -> None:
    net = Net().train()
    function = generated(net)

    def fail() -> None:
        with borrowed(function):
            function(X)
            assert not any(m.training for m in net.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert all(m.training for m in net.modules())
    assert all(p.requires_grad for p in net.parameters())


def test_a_function_is_searched_once_per_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[object] = []
    real = carried
    monkeypatch.setattr("eigencode.representation._modes.carried", lambda *t: searched.append(t) or real(*t))
    net = Net()
    test = ec.Images(X, torch.arange(40) % 3)
    ec.robustness.critical_size(lambda x: net(x), test, ec.robustness.Square(steps=50), check=False)
    assert len(searched) < 10
