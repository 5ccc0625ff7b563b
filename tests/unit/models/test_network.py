"""The networks: named places, seeds, closed layers, and errors for images of another kind."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.geometry import jacobian_norm
from eigencode.models import Stack, krotov_hopfield, perceptron
from eigencode.representation.at import at

TRAIN = Images(
    torch.rand(12, 2, 3, 4, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05,
    torch.arange(12) % 3,
    ("a", "b", "c", "d"),
)
MAKE: dict[str, Callable[..., Stack]] = {
    "krotov_hopfield": lambda **k: krotov_hopfield(TRAIN, units=8, p=2.5, n=3.0, norm_p=2.0, **k),
    "perceptron": lambda **k: perceptron(TRAIN, units=8, **k),
    "batch_norm": lambda **k: perceptron(TRAIN, 8, True, n=2.0, **k),
    "tanh": lambda **k: perceptron(TRAIN, 8, activation="tanh", **k),
    "dropout": lambda **k: perceptron(TRAIN, 8, dropout=0.5, **k),
}


def trained(name: str) -> Stack:
    net = MAKE[name]()
    if name == "batch_norm":
        with torch.no_grad():
            net.batch_norm.running_mean.normal_()
            net.batch_norm.running_var.uniform_(0.5, 2)
            net.batch_norm.weight.normal_()
            net.batch_norm.bias.normal_()
    return net.eval()


def by_hand(net: Stack, x: Tensor) -> dict[str, Tensor]:
    u = (x.flatten(1) / torch.linalg.vector_norm(x.flatten(1), net.norm.p, dim=1, keepdim=True)).reshape(x.shape)
    h = u.flatten(1) @ net.encoder.matrix().T
    z = h.tanh() if isinstance(net.activation, nn.Tanh) else h.clamp_min(0) ** net.activation.n
    top = net.batch_norm(z) if hasattr(net, "batch_norm") else z
    logits = top @ net.readout.weight.T + net.readout.bias
    return {"input": u.flatten(1), "encoder": h, "latent": z, "batch_norm": top, "logits": logits}


@pytest.mark.parametrize("name", MAKE)
def test_every_place_in_both_spaces(name: str) -> None:
    net = trained(name)
    for place, wanted in by_hand(net, TRAIN.x).items():
        if place == "batch_norm" and name != "batch_norm":
            with pytest.raises(InputError, match="has no place 'batch_norm'"):
                at(net, place)
            continue
        pixel, unit = at(net, place), at(net, place, "unit")
        torch.testing.assert_close(pixel(TRAIN.x), wanted, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(unit(unit.points(TRAIN.x)), wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(net(TRAIN.x), at(net, "logits")(TRAIN.x))
    torch.testing.assert_close(net.run(TRAIN.x, until="latent"), by_hand(net, TRAIN.x)["latent"])
    for name, _ in net.named_children():
        halves = net.run(net.run(TRAIN.x, until=name), after=name)
        torch.testing.assert_close(halves, net(TRAIN.x), rtol=0, atol=0)
    assert (net.shape, net(TRAIN.x).shape) == ((2, 3, 4), (12, 4))


@pytest.mark.parametrize("name", MAKE)
def test_closed_layers_compute_the_places(name: str) -> None:
    net = trained(name)
    open_ = {"batch_norm": ("input",), "tanh": ("input", "batch_norm", "latent", "logits")}
    for place, wanted in by_hand(net, TRAIN.x).items():
        layers = net.as_layers(place)
        if place in open_.get(name, ("input", "batch_norm")):
            assert layers is None
            continue
        found = net.norm(TRAIN.x)
        for layer in layers:
            found = layer(found)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert net.as_layers("nowhere") is None


@pytest.mark.parametrize("name", MAKE)
def test_seeds_decide_the_weights_and_nothing_else_does(name: str) -> None:
    before = torch.random.get_rng_state()
    one, same, other = MAKE[name](seed=3), MAKE[name](seed=3), MAKE[name](seed=4)
    torch.testing.assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0)
    for part in ("encoder", "readout"):
        assert not torch.equal(getattr(one, part).weight, getattr(other, part).weight)
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)
    assert float(one.readout.bias.detach().abs().max()) <= 8**-0.5


def test_encoder_and_readout_draw_from_streams_of_their_own() -> None:
    wide, narrow = perceptron(TRAIN, units=8, seed=1), krotov_hopfield(TRAIN, units=8, seed=1)
    torch.testing.assert_close(wide.readout.state_dict(), narrow.readout.state_dict(), rtol=0, atol=0)
    drawn = torch.empty(4, 8).uniform_(-(8**-0.5), 8**-0.5, generator=stream(1, "readout"))
    torch.testing.assert_close(wide.readout.weight.detach(), drawn, rtol=0, atol=0)
    torch.testing.assert_close(narrow.encoder.weight, torch.randn(8, 24, generator=stream(1, "encoder")))


def test_spread_scales_the_start() -> None:
    one, tenth = krotov_hopfield(TRAIN, seed=1), krotov_hopfield(TRAIN, seed=1, spread=0.1)
    torch.testing.assert_close(tenth.encoder.weight, 0.1 * one.encoder.weight)
    torch.testing.assert_close(float(one.encoder.weight.std()), 1.0, rtol=0.03, atol=0)


def test_only_the_encoder_of_the_local_network_is_frozen() -> None:
    frozen = [n for n, p in MAKE["krotov_hopfield"]().named_parameters() if not p.requires_grad]
    assert frozen == ["encoder.weight"]
    assert all(p.requires_grad for p in MAKE["batch_norm"]().parameters())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 3, 4), (4, 3, 2), (1, 4, 6)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    net = MAKE["perceptron"]()
    for run in (net, partial(net.run, until="latent")):
        with pytest.raises(InputError, match=r"do not fit this network(?s:.*)\(N, 2, 3, 4\)"):
            run(torch.rand(5, *shape))
    with pytest.raises(InputError, match="do not fit this network"):
        net(torch.rand(5, 24))


@pytest.mark.parametrize("make", [krotov_hopfield, perceptron])
@pytest.mark.parametrize("units", [1, 0, -3])
def test_a_layer_needs_two_units(make: Callable[..., Stack], units: int) -> None:
    with pytest.raises(InputError, match="at least two units"):
        make(TRAIN, units=units)


def test_settings_of_the_rule_are_checked_when_the_network_is_built() -> None:
    for wrong in ({"p": 0.5}, {"radius": -1.0}, {"n": 0.0}, {"norm_p": 0.0}):
        with pytest.raises(InputError, match="out of range"):
            krotov_hopfield(TRAIN, **wrong)


def test_the_latent_code_of_a_tanh_network_is_tanh() -> None:
    net = perceptron(TRAIN, 8, activation="tanh")
    assert at(net, "latent")(TRAIN.x).equal(at(net, "encoder")(TRAIN.x).tanh())
    with pytest.raises(InputError, match="tanh has no power"):
        perceptron(TRAIN, 8, activation="tanh", n=2.0)


def test_jacobian_norms_of_tanh_are_those_of_its_derivative() -> None:
    """d tanh(h) / dx = (1 - tanh(h)^2) W."""
    net = perceptron(TRAIN, 8, activation="tanh")
    x = net.norm(TRAIN.x)
    slope = 1 - at(net, "latent")(TRAIN.x).double() ** 2
    wanted = (slope**2 @ net.encoder.weight.double().square().sum(1)).sqrt()
    found = jacobian_norm(at(net, "latent", space="unit"), TRAIN.x)
    torch.testing.assert_close(found.value.double(), wanted, rtol=1e-5, atol=0)
    assert len(x) == len(found.value)


def test_dropout_is_active_in_training_alone_and_in_front_of_the_read_out() -> None:
    plain, net = perceptron(TRAIN, 8), perceptron(TRAIN, 8, dropout=0.25).train()
    z = net.run(TRAIN.x, until="latent")
    torch.testing.assert_close(z, plain.run(TRAIN.x, until="latent"), rtol=0, atol=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kept = net.dropout(z)
    assert kept.equal(torch.where(kept != 0, z * (1 / 0.75), 0.0))
    assert 0 < (kept[z > 0] == 0).float().mean() < 0.5
    torch.testing.assert_close(net.eval()(TRAIN.x), plain(TRAIN.x), rtol=0, atol=0)
    for wrong in (-0.1, 1.0):
        with pytest.raises(InputError, match="dropout is out of range"):
            perceptron(TRAIN, 8, dropout=wrong)
