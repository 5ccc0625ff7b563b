"""A representation as a function from one place to another, also where the places are awkward."""

import pytest
import torch
from resnet import TEN, ResNet
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.representation import places, reducer, trace

X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net() -> ResNet:
    return ResNet().train()


@pytest.mark.parametrize("start", ["stem", "stem.1", "layer1", "layer2", "pool"])
def test_two_halves_make_the_whole(net: ResNet, start: str, leaves_no_trace) -> None:
    half = ec.between(net, start, "logits")
    leaves_no_trace(net, X, lambda: half(half.points(X)))
    torch.testing.assert_close(half(half.points(X)), ec.at(net, "logits")(X), rtol=0, atol=0)
    torch.testing.assert_close(half.points(X).flatten(1), ec.at(net, start)(X), rtol=0, atol=0)
    assert half.space == start


def test_the_derivative_starts_at_the_start(net: ResNet) -> None:
    half = ec.between(net, "layer2", "logits")
    points = half.points(X).requires_grad_()
    (found,) = torch.autograd.grad(half(points)[:, 3].sum(), points)
    net.eval()
    z = points.detach().clone().requires_grad_()
    (wanted,) = torch.autograd.grad(net.fc(net.pool(net.layer3(z)).flatten(1))[:, 3].sum(), z)
    torch.testing.assert_close(found, wanted)
    norm = ec.jacobian_norm(half, X, method="exact")
    torch.testing.assert_close(
        norm.value, ec.jacobian_norm(lambda z: net.fc(net.pool(net.layer3(z)).flatten(1)), points.detach()).value
    )
    assert norm.space == "layer2"


@pytest.mark.parametrize("start", ["layer1.conv1", "layer2.bn1", "layer3.relu", "layer1.down"])
def test_a_start_with_a_way_around_it_is_refused(net: ResNet, start: str) -> None:
    half = ec.between(net, start, "logits")
    with pytest.raises(InputError, match=rf"(?s)no function of '{start}' alone.*another way.*fix:"):
        half(half.points(X))


def test_a_shortcut_that_carries_no_gradient_is_found_too() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) + x.detach().round()

    half = ec.between(Around(), "inner", "logits")
    with pytest.raises(InputError, match="alone"):
        half(half.points(torch.rand(3, 4)))


def test_a_sequential_network_starts_in_the_middle_without_its_beginning() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    whole = chain(X)
    for start in ("0", "1", "2"):
        half = ec.between(chain, start, "logits")
        points = half.points(X)
        chain[0].register_forward_pre_hook(lambda *_: pytest.fail("the beginning ran"))
        torch.testing.assert_close(half(points), whole, rtol=0, atol=0)
        chain[0]._forward_pre_hooks.clear()
        torch.testing.assert_close(ec.between(chain, start, "2")(points), chain[:3](X), rtol=0, atol=0)
    chain.register_forward_hook(lambda module, args, out: 2 * out)  # then the network itself must run
    half = ec.between(chain, "1", "logits")
    torch.testing.assert_close(half(half.points(X)), 2 * whole, rtol=0, atol=0)


def test_the_second_call_can_be_the_start(net: ResNet) -> None:
    half = ec.between(net, "layer1.relu:2", "logits")  # the end of the block: everything flows through it
    torch.testing.assert_close(half(half.points(X)), ec.at(net, "logits")(X), rtol=0, atol=0)


def test_an_end_before_the_start_is_an_error(net: ResNet) -> None:
    half = ec.between(net, "layer2", "layer1")
    with pytest.raises(InputError, match="'layer1' comes before 'layer2'"):
        half(half.points(X))
    chain = ec.between(nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.ReLU()), "1", "0")
    with pytest.raises(InputError, match=r"(?s)never called.*after '1'"):
        chain(chain.points(X))
    with pytest.raises(InputError, match="nothing starts at 'logits'"):
        ec.between(net, "logits", "logits")


def test_points_must_be_known_where_the_start_does_not_come_first(net: ResNet) -> None:
    fresh = ec.between(net, "layer2", "logits")
    with pytest.raises(InputError, match=r"(?s)does not come first.*code\.points\(images\)"):
        fresh(torch.rand(6, 16, 4, 4))


def test_unit_space_is_the_start_norm() -> None:
    train, _ = ec.load("digits")
    net = ec.models.krotov_hopfield(train[:100], units=20)
    x = train[:50].x
    unit, norm = ec.at(net, "latent", space="unit"), ec.between(net, "norm", "latent")
    torch.testing.assert_close(unit(unit.points(x)), norm(norm.points(x)), rtol=0, atol=0)
    assert (unit.space, norm.space, unit.start, norm.start) == ("unit", "norm", "norm", "norm")
    assert ec.jacobian_norm(norm, x).method == "closed"


def test_a_late_norm_is_a_start_like_any_other() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.norm, self.head = nn.Linear(192, 5), nn.LayerNorm(5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.norm(self.body(x.flatten(1))))

    net = Late()
    half = ec.between(net, "norm", "logits")
    torch.testing.assert_close(half(half.points(X)), net(X), rtol=0, atol=0)
    unit = ec.at(net, "logits", space="unit")
    with pytest.raises((InputError, RuntimeError)):  # no unit space: what norm makes of images is not what enters there
        unit(unit.points(X))


def test_ten_places_in_one_pass(net: ResNet, leaves_no_trace) -> None:
    leaves_no_trace(net, X, lambda: trace(net, X, TEN))
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    handle = net.stem.register_forward_hook(count)
    found = ec.trace(net, X, TEN)
    handle.remove()
    assert (passes, tuple(found)) == (1, TEN)
    for place in TEN:
        torch.testing.assert_close(found[place], ec.at(net, place)(X), rtol=0, atol=0)


def test_traced_places_keep_their_graph(net: ResNet) -> None:
    x = X.clone().requires_grad_()
    found = trace(net, x, ["layer1", "logits"], reduce="mean")
    (gradient,) = torch.autograd.grad(found["layer1"].sum(), x, retain_graph=True)
    (wanted,) = torch.autograd.grad(ec.at(net, "layer1", reduce="mean")(x).sum(), x)
    torch.testing.assert_close(gradient, wanted)


def test_tracing_from_a_start(net: ResNet) -> None:
    found = trace(net, X, ["layer3", "logits"], start="layer2")
    torch.testing.assert_close(found["logits"], ec.at(net, "logits")(X), rtol=0, atol=0)


def test_places_in_order_of_execution(net: ResNet, leaves_no_trace) -> None:
    leaves_no_trace(net, X, lambda: places(net, X[:2]))
    found = ec.places(net, X[:2])
    assert [n for n in found.names if n in TEN] == list(TEN)
    assert found.names[-1] == "logits"
    assert {"layer1.relu", "layer1.relu:2"} <= set(found.names)
    assert {p.name: p.shape for p in found}["layer2"] == (16, 4, 4)
    assert list(found.to_frame()["units"])[-1] == 10
    assert "layer2.conv1" in str(found)
    assert "layer2.conv1" in found._repr_html_()
    for name in found.names:
        assert len(ec.at(net, name)(X)) == len(X)


class Several(nn.Module):
    """A tuple, a mapping, and a submodule that makes no tensor with a row per image."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.both, self.scale = nn.LSTM(8, 5, batch_first=True), Both(), Scale()

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(x.mean(1))
        return self.both(out)["last"] * self.scale(x)


class Both(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"all": x, "last": x[:, -1]}


class Scale(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(2.0)


def test_elements_of_tuples_and_mappings() -> None:
    net = Several()
    assert places(net, X[:2]).names == ["lstm[0]", "both[all]", "both[last]", "logits"]
    torch.testing.assert_close(ec.at(net, "both[last]")(X) * 2, net(X))
    torch.testing.assert_close(ec.at(net, "lstm[0]", reduce="token:7")(X), ec.at(net, "both[last]")(X))
    with pytest.raises(InputError, match=r"(?s)not a tensor\n  got:    dict.*both\[all\]"):
        ec.at(net, "both")(X)
    with pytest.raises(InputError, match=r"(?s)no element 'first'\n  got:    \['all', 'last'\]"):
        ec.at(net, "both[first]")(X)
    with pytest.raises(InputError, match="no element 7"):
        ec.at(net, "lstm[7]")(X)
    with pytest.raises(InputError, match="one row of numbers per image"):
        ec.at(net, "scale")(X)
    with pytest.raises(InputError, match="called 1 times only"):
        ec.at(net, "both:2[all]")(X)


def test_ways_to_reduce(rng: torch.Generator) -> None:
    maps, tokens = torch.randn(3, 4, 2, 5, generator=rng), torch.randn(3, 6, 4, generator=rng)
    torch.testing.assert_close(reducer("mean")(maps), maps.mean((2, 3)))
    torch.testing.assert_close(reducer("max")(maps), maps.amax((2, 3)))
    torch.testing.assert_close(reducer("mean")(tokens), tokens.mean(1))
    torch.testing.assert_close(reducer("max")(tokens), tokens.amax(1))
    torch.testing.assert_close(reducer("token:2")(tokens), tokens[:, 2])
    torch.testing.assert_close(reducer("flatten")(maps), maps.reshape(3, 40))
    torch.testing.assert_close(reducer("positions")(maps)[7], maps[0, :, 1, 2])
    torch.testing.assert_close(reducer("positions")(tokens)[7], tokens[1, 1])
    for how in ("mean", "max", "positions", "flatten"):
        torch.testing.assert_close(reducer(how)(tokens[:, 0]), tokens[:, 0])
    torch.testing.assert_close(reducer(lambda z: z[:, 0].flatten(1))(maps), maps[:, 0].flatten(1))
    for wrong in ("men", "token", "token:x", "mean:3", "random:0", "random"):
        with pytest.raises(InputError, match=r"reduce|project"):
            reducer(wrong)
    with pytest.raises(InputError, match="no such token"):
        reducer("token:6")(tokens)


@pytest.mark.parametrize("m", [3, 64, 100])
def test_a_random_projection_keeps_distances_on_average(rng: torch.Generator, m: int) -> None:
    z = torch.randn(200, 5000, generator=rng, dtype=torch.float64)
    found = reducer(f"random:{m}")(z)
    assert found.shape == (200, m)
    ratio = found.square().sum(1) / z.square().sum(1)
    assert abs(float(ratio.mean()) - 1) < 4 * (2 / m / 200) ** 0.5
    assert float(ratio.std()) < 1.5 * (2 / m) ** 0.5
    torch.testing.assert_close(reducer(f"random:{m}")(z[:1] + z[1:2]), found[:1] + found[1:2])  # linear, and the same


def test_a_code_of_positions_has_a_spectrum(net: ResNet) -> None:
    code = ec.at(net, "layer1", reduce="positions")
    found = ec.spectrum(code, X, interval=False)
    assert (found.n_samples, found.n_units) == (6 * 64, 8)
    torch.testing.assert_close(found.eigenvalues, torch.linalg.eigvalsh(torch.cov(code(X).double().T)).flip(0))
    assert ec.spectrum(code, X).n_groups == 6
