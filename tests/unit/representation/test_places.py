"""A place of any module as a function of its images, without a trace in the module."""

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.geometry import jacobian_norm
from eigencode.models import Standardised
from eigencode.penalties import Spectral, watch
from eigencode.representation import between, places, trace
from eigencode.representation.at import Code, at, logits_of, unit_points


class Halver(nn.Module):
    """A `norm` with a derivative that cannot be missed: x -> x / (2 sum x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (2 * x.sum((1, 2, 3), keepdim=True))


class Net(nn.Module):
    places: ClassVar[dict[str, str]] = {"code": "body.1"}

    def __init__(self) -> None:
        super().__init__()
        self.norm = Halver()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU())
        self.flat = nn.Flatten()
        self.top = nn.Linear(18, 3)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.top(self.flat(self.body(self.norm(x))))


@pytest.fixture
def net() -> Net:
    net = Net()
    net.train()
    net.body[1].running_mean.uniform_(-1, 1)
    return net


X = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(1)) + 0.1


def by_hand(net: Net, u: Tensor, place: str) -> Tensor:
    net = net.eval()
    conv = net.body[0](u)
    normed = net.body[1](conv)
    last = net.top(normed.relu().flatten(1))
    result = {"input": u, "body.0": conv, "code": normed, "body.1": normed, "body": normed.relu(), "logits": last}
    return result[place].flatten(1)


@pytest.mark.parametrize("place", ["input", "body.0", "code", "body.1", "body", "logits"])
@pytest.mark.parametrize("space", ["pixel", "unit"])
def test_every_kind_of_place(net: Net, place: str, space: str, leaves_no_trace) -> None:
    code = at(net, place, space)
    leaves_no_trace(net, X, lambda: code(X))
    found = code(X)
    assert all(m.training for m in net.modules())
    torch.testing.assert_close(found, by_hand(net, X if space == "unit" else net.norm(X), place), rtol=0, atol=0)


def test_unit_space_at_the_normed_images_is_pixel_space(net: Net) -> None:
    unit, pixel = at(net, "code", "unit"), at(net, "code")
    torch.testing.assert_close(unit.points(X), net.norm(X), rtol=0, atol=0)
    torch.testing.assert_close(pixel.points(X), X, rtol=0, atol=0)
    torch.testing.assert_close(unit(unit.points(X)), pixel(X), rtol=0, atol=0)
    torch.testing.assert_close(unit_points(net, X), net.norm(X), rtol=0, atol=0)


@pytest.mark.parametrize("place", ["input", "code", "logits"])
def test_the_unit_space_gradient_does_not_pass_through_norm(net: Net, place: str) -> None:
    u = net.norm(X).clone().requires_grad_()
    (found,) = torch.autograd.grad(at(net, place, "unit")(u).square().sum(), u)
    (wanted,) = torch.autograd.grad(by_hand(net, u, place).square().sum(), u)
    torch.testing.assert_close(found, wanted)
    net.train()
    x = X.clone().requires_grad_()
    (pixel,) = torch.autograd.grad(at(net, place)(x).square().sum(), x)
    (through,) = torch.autograd.grad(by_hand(net, net.norm(x), place).square().sum(), x)
    torch.testing.assert_close(pixel, through)
    assert float((pixel - found).abs().max()) > 1e-3 * float(found.abs().max())


def test_the_place_norm_in_unit_space_is_the_point_itself(net: Net) -> None:
    torch.testing.assert_close(at(net, "norm", "unit")(X), X.flatten(1), rtol=0, atol=0)


@pytest.mark.parametrize("place", ["code", "logits"])
def test_gradients_reach_the_parameters(net: Net, place: str) -> None:
    at(net, place)(X).sum().backward()
    assert net.body[0].weight.grad is not None


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("boom")


def test_hooks_and_modes_are_restored_after_an_error(net: Net) -> None:
    net.body[0] = Broken()
    for place, space in (("code", "unit"), ("logits", "unit"), ("body.2", "pixel")):
        with pytest.raises(InputError, match="boom"):
            at(net, place, space)(X)
    assert all(m.training for m in net.modules())
    assert not any(m._forward_hooks for m in net.modules())


def test_what_comes_after_the_place_does_not_run(net: Net) -> None:
    net.top = Broken()
    torch.testing.assert_close(at(net, "code")(X), by_hand_code(net))


def by_hand_code(net: Net) -> Tensor:
    net.eval()
    return net.body[1](net.body[0](net.norm(X))).flatten(1)


class Twice(nn.Module):
    """One layer under two names, run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.step = nn.Linear(16, 16)
        self.again = self.step

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.step(self.flat(x)))


def test_a_module_called_twice_is_read_at_its_first_call() -> None:
    net = Twice()
    once, twice = net.step(X.flatten(1)), net.step(net.step(X.flatten(1)))
    torch.testing.assert_close(at(net, "step")(X), once, rtol=0, atol=0)
    for name in ("step:2", "again:2", "logits"):
        torch.testing.assert_close(at(net, name)(X), twice, rtol=0, atol=0)


def test_a_second_name_does_not_say_which_call_is_meant() -> None:
    relu, block = nn.ReLU(), nn.Linear(16, 16)
    shared = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), relu, nn.Linear(16, 16), relu, nn.Linear(16, 3))
    tied = (Tied(block), "layers.3", "layers.0:2")
    for net, name, first in [(Twice(), "again", "step:2"), (shared, "4", "2:2"), tied]:
        with pytest.raises(InputError, match=rf"'{name}' is a second name[\s\S]*at\(net, '{first}'\)"):
            at(net, name)(X)
        with pytest.raises(InputError, match="second name"):
            between(net, name, "logits").points(X)
    torch.testing.assert_close(at(shared, "2:2")(X), shared[:5](X), rtol=0, atol=0)
    torch.testing.assert_close(at(Tied(block), "layers.0:4")(X), Tied(block)(X), rtol=0, atol=0)


def test_a_second_name_of_a_module_that_is_called_once_is_as_good() -> None:
    net = Plain()
    net.other = net.flat
    torch.testing.assert_close(at(net, "other")(X), X.flatten(1), rtol=0, atol=0)
    assert trace(net, X, ["other", "logits"])["other"].shape == (len(X), 16)


def test_a_penalty_at_a_second_name_says_so() -> None:
    net = Twice()
    with watch(net, Spectral(place="again")) as seen:
        logits = net(X)
    with pytest.raises(InputError, match="second name"):
        seen.batch(X, torch.zeros(len(X), dtype=torch.int64), logits)


class Tied(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList([block] * 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x


class Named(nn.Module):
    """Its children have the names of the network's own places."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Linear(16, 8)
        self.logits = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(torch.relu(self.input(x.flatten(1)))) / 5


@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: Standardised(net, 0.0, 1.0)])
def test_children_called_input_and_logits_do_not_take_the_places_of_the_network(wrap: Callable) -> None:
    own = Named()
    net = wrap(own)
    inner = own.input(X.flatten(1))
    torch.testing.assert_close(at(net, "logits")(X), own(X))
    torch.testing.assert_close(at(net, "input")(X), X.flatten(1))
    torch.testing.assert_close(at(net, ".input")(X), inner)
    torch.testing.assert_close(at(net, ".logits")(X), 5 * own(X))
    torch.testing.assert_close(jacobian_norm(net, X / 2).value, jacobian_norm(lambda x: own(x), X / 2).value)
    assert [p.name for p in places(own, X)] == [".input", ".logits", "logits"]
    for place in places(own, X):
        assert at(own, place.name)(X).shape[1] == place.units


@pytest.mark.parametrize("foreign", [nn.Linear(2, 2), [1], {"a": 3}])
def test_an_attribute_places_of_another_kind_is_no_dictionary_of_names(foreign: object) -> None:
    net = Plain()
    net.places = foreign
    assert at(net, "flat")(X).shape == (len(X), 16)
    assert [p.name for p in places(net, X)] == ["flat", "logits"]


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.flat(x)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class First(nn.Module):
    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        return pair[0]


@pytest.mark.parametrize(("net", "place"), [(nn.Sequential(Pair(), First()), "0"), (Pair(), "logits")])
def test_an_output_that_is_no_tensor_is_an_error(net: nn.Module, place: str) -> None:
    with pytest.raises(InputError, match=r"not a tensor\n  got:    tuple"):
        at(net, place)(X)
    assert not any(m._forward_hooks for m in net.modules())


def test_wrong_places_and_spaces_are_named_at_once(net: Net) -> None:
    with pytest.raises(InputError, match=r"(?s)Net has no place 'body\.7'.*did you mean 'body\.\d'"):
        at(net, "body.7")
    with pytest.raises(InputError, match="no place ''"):
        at(net, "")
    with pytest.raises(InputError, match="no unit space"):
        at(nn.Sequential(nn.Flatten()), "0", "unit")
    with pytest.raises(InputError, match="never called"):
        at(net, "unused")(X)


@pytest.mark.usefixtures("unchecked")
def test_unknown_space(net: Net) -> None:
    with pytest.raises(InputError, match="unknown space"):
        at(net, "code", "unti")  # type: ignore[arg-type]


def test_logits_of_modules_codes_and_functions(net: Net) -> None:
    logits, points = logits_of(net, "unit")
    net.eval()
    torch.testing.assert_close(logits(points(X)), net(X))
    code = at(net, "code")
    assert logits_of(code, "unit")[0] is code  # a code brings its own space
    plain, same = logits_of(lambda x: x.flatten(1), "pixel")
    torch.testing.assert_close((plain(X), same(X)), (X.flatten(1), X), rtol=0, atol=0)
    with pytest.raises(InputError, match="plain function has no unit space"):
        logits_of(torch.relu, "unit")
    with pytest.raises(InputError, match="not a network"):
        logits_of(3, "pixel")


def test_a_code_prints_its_place_and_space(net: Net) -> None:
    code = at(net, "code", "unit")
    assert isinstance(code, Code)
    assert "place='code', space='unit'" in repr(code)


class LateNorm(nn.Module):
    """What many networks call `norm`: a layer near the end."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.body = nn.Flatten(), nn.Linear(16, 4)
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.body(self.flat(x)))


def test_a_norm_that_does_not_come_first_is_no_way_into_unit_space() -> None:
    late = LateNorm()
    torch.testing.assert_close(at(late, "input")(X), X.flatten(1), rtol=0, atol=0)
    assert at(late, "norm")(X).shape == (5, 4)
    with pytest.raises(InputError, match="does not see the images"):
        at(late, "logits", space="unit")(X)


def test_input_is_what_a_first_norm_gives(net: Net) -> None:
    torch.testing.assert_close(at(net, "input")(X), net.norm(X).flatten(1), rtol=0, atol=0)


class Dear(Halver):
    """A `norm` that may not be run."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("skipped means not run")


@pytest.mark.parametrize("place", ["input", "norm", "code", "logits"])
@pytest.mark.parametrize("own", [False, True])
def test_unit_space_does_not_run_norm_and_leaves_it_as_it_was(place: str, own: bool) -> None:
    net, plain = Net(), Net()
    plain.load_state_dict(net.state_dict())
    net.norm = Dear()
    if own:  # somebody's instance has a forward of its own
        net.norm.forward = instead = net.norm.forward
    torch.testing.assert_close(at(net, place, "unit")(X), at(plain, place, "unit")(X), rtol=0, atol=0)
    assert (vars(net.norm).get("forward") is instead) if own else ("forward" not in vars(net.norm))
    with pytest.raises(InputError, match="skipped means not run"):
        at(net, place)(X)


def test_norm_is_itself_again_after_an_error() -> None:
    net = Net()
    with pytest.raises(InputError, match="Kernel size"):
        at(net, "logits", "unit")(X[:, :, :1])
    assert "forward" not in vars(net.norm)
