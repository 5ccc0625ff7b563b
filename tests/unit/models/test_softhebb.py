"""SoftHebb stacks: shapes and published settings, twins, departures, gradients through the whole stack, files."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eigencode import models
from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import LocalConv2d, Stack, Triangle, convergence, local_layers, softhebb, softhebb_dense
from eigencode.rules import HardWTA, SoftHebb
from eigencode.training import train_local, train_supervised

COLOUR = Images(torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(5)), torch.arange(12) % 3)
GREY = Images(torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(6)), torch.arange(12) % 3)

PUBLISHED = {  # depth: per block (η₀, t, exponent, kind of pooling, side of the map of a 32 x 32 image)
    1: [(0.08, 1.0, 0.7, "Avg", 16)],
    2: [(0.08, 1.0, 0.7, "Avg", 16), (0.005, 0.65, 1.4, "Max", 8)],
    3: [(0.08, 1.0, 0.7, "Max", 16), (0.005, 0.65, 1.4, "Max", 8), (0.01, 0.25, 1.0, "Avg", 4)],
}


@pytest.mark.parametrize("depth", PUBLISHED)
def test_blocks_have_the_published_settings(depth: int) -> None:
    net, channels = softhebb(COLOUR, depth, width=2), 3
    for i, (rate, t, exponent, pool, side) in enumerate(PUBLISHED[depth], start=1):
        layer, units = net.get_submodule(f"conv{i}"), 2 * 4 ** (i - 1)
        assert isinstance(layer, LocalConv2d)
        kernel = (5, 5) if i == 1 else (3, 3)
        assert (layer.kernel, layer.padding, layer.padding_mode) == (kernel, kernel[0] // 2, "reflect")
        rule = layer.rule
        assert isinstance(rule, SoftHebb)
        assert (rule.rate, rule.inverse_temperature, rule.centred) == (rate, t, (depth, i) == (2, 2))
        assert net.get_submodule(f"triangle{i}").exponent == exponent
        assert type(net.get_submodule(f"pool{i}")).__name__ == f"{pool}Pool2d"
        assert layer.weight.shape == (units, channels * kernel[0] ** 2)
        assert net.run(COLOUR.x, until=f"pool{i}").shape == (12, units, side, side)
        channels = units
    assert net.readout.in_features == channels * side**2
    assert net.readout.dropout == 0.5


def test_the_published_width_has_24576_features_and_initial_norms_of_25() -> None:
    net = softhebb(COLOUR)
    assert net.readout.in_features == 24_576
    for layer in local_layers(net).values():
        norms = torch.linalg.vector_norm(layer.weight, dim=1)
        assert abs(float(norms.square().mean().sqrt()) - 25) < 0.5


def test_the_second_of_two_layers_gives_its_centred_current_twice_rectified() -> None:
    net = softhebb(COLOUR, 2, 4)
    u = net.run(COLOUR.x, until="conv2")
    once = (u - u.mean(1, keepdim=True)).clamp_min(0)
    twice = (once - once.mean(1, keepdim=True)).clamp_min(0) ** 1.4
    torch.testing.assert_close(net.run(COLOUR.x, until="triangle2"), twice)
    assert "centred2" not in dict(softhebb(COLOUR, 3, 4).named_children())


def test_the_published_twin_has_its_pools_and_initial_weights() -> None:
    for depth, pools in ((1, ["AvgPool2d"]), (2, ["MaxPool2d"] * 2), (3, ["MaxPool2d"] * 3)):
        twin = softhebb(COLOUR, depth, 16, local=False, departures=["published twin"])
        assert [type(twin.get_submodule(f"pool{i}")).__name__ for i in range(1, depth + 1)] == pools
    bound = float(twin.conv2.weight.detach().abs().max()) * (16 * 9) ** 0.5
    assert 0.99 < bound <= 1


def test_growth_one_has_one_width() -> None:
    net = softhebb(GREY, 4, width=3, growth=1)
    assert [len(layer.weight) for layer in local_layers(net).values()] == [3, 3, 3, 3]
    assert net(GREY.x).shape == (12, 3)


def test_weights_depend_on_the_seed_and_the_layer_alone() -> None:
    one, same, other = (softhebb(GREY, 2, width=4, growth=1, seed=s) for s in (0, 0, 1))
    torch.testing.assert_close(one.conv2.weight, same.conv2.weight)
    assert not torch.equal(one.conv2.weight, other.conv2.weight)
    deeper = softhebb(GREY, 3, width=4, growth=1)
    torch.testing.assert_close(deeper.conv2.weight, one.conv2.weight)


def test_the_twin_for_backpropagation_has_the_same_blocks() -> None:
    twin, net = softhebb(COLOUR, 3, 4, local=False), softhebb(COLOUR, 3, 4)
    assert not local_layers(twin)
    for name, layer in net.named_children():
        if name.startswith("conv"):
            with torch.no_grad():
                twin.get_submodule(name).weight.copy_(layer.weight.reshape(twin.get_submodule(name).weight.shape))
        elif name == "readout":
            twin.readout.load_state_dict(layer.state_dict())
    torch.testing.assert_close(twin.eval()(COLOUR.x), net.eval()(COLOUR.x))


def test_the_published_twin_has_3072_weights_in_its_third_convolution() -> None:
    twin = softhebb(COLOUR, 3, 96, local=False, departures=["published twin"])
    assert twin.conv3.weight.numel() == 3072
    assert isinstance(twin.triangle1, nn.ReLU)
    assert twin.readout.in_features == 24_576
    assert twin(COLOUR.x[:2]).shape == (2, 3)


def test_the_hard_twin_starts_from_the_same_weights() -> None:
    hard, soft = softhebb(GREY, 2, 4, competition="hard"), softhebb(GREY, 2, 4)
    assert isinstance(hard.conv1.rule, HardWTA)
    torch.testing.assert_close(hard.conv2.weight, soft.conv2.weight)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"depth": 6}, "depth"),
        ({"width": 1}, "width"),
        ({"growth": 0}, "growth"),
        ({"competition": "medium"}, "competition"),
        ({"departures": ["published twin"]}, "departures"),
        ({"local": False, "departures": ["sampled statistics"]}, "departures"),
        ({"local": False, "departures": ["published twin"], "depth": 4}, "depth"),
        ({"departures": ["detached"]}, "departures"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_out_of_range_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"softhebb: {said}"):
        softhebb(GREY, **settings)


def test_images_that_are_too_small_are_refused_with_the_depth_that_fits() -> None:
    small = Images(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]))
    with pytest.raises(InputError, match=r"8 x 8 pixels, depth 5(?s:.*)at most (\d)") as told:
        softhebb(small, 5, 2)
    depth = int(str(told.value)[-1])
    assert softhebb(small, depth, 2, growth=1)(small.x).shape == (4, 2)


def small(depth: int = 2, **more: Any) -> Stack:
    """A trained stack, fast."""
    net = softhebb(GREY, depth, 4, 2, **more)
    train_local(net, GREY, epochs=1, lr=1.0, batch_size=4, decay="constant")
    return net.double().eval()


def differences(net: nn.Module, x: Tensor, direction: Tensor, step: float = 1e-6) -> Tensor:
    with torch.no_grad():
        return (net(x + step * direction) - net(x - step * direction)).sum() / (2 * step)


def gradient(net: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(net(x).sum(), x)
    return found


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gradients_through_the_stack_are_finite_differences(depth: int) -> None:
    net, x = small(depth), GREY.x[:2].double()
    direction = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    found = float((gradient(net, x) * direction).sum())
    torch.testing.assert_close(found, float(differences(net, x, direction)), rtol=1e-3, atol=1e-6)


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
def test_a_detached_mean_changes_the_gradient_and_nothing_else() -> None:
    net, detached = small(), small(departures=["detached mean"])
    x = GREY.x[:2].double()
    torch.testing.assert_close(net(x), detached(x))
    assert float((gradient(net, x) - gradient(detached, x)).abs().max()) > 1e-3


def test_the_slope_of_a_triangle_of_three_units() -> None:
    """[⅓, −⅔, ⅓]-like rows of the derivative: the published, detached mean turns them into [0, 1, 0]."""
    u = torch.tensor([[0.0, 3.0, 0.0]])
    for mean, row in (("exact", [-1 / 3, 2 / 3, -1 / 3]), ("detached", [0.0, 1.0, 0.0])):
        found = torch.autograd.functional.jacobian(Triangle(mean=mean), u)[0, :, 0]  # type: ignore[arg-type,operator]
        torch.testing.assert_close(found[1], torch.tensor(row))


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
def test_it_learns_layer_by_layer_as_in_one_call_and_is_saved_and_loaded(tmp_path: Path) -> None:
    net, single = softhebb(GREY, 2, 4, 2), softhebb(GREY, 2, 4, 2)
    told = train_local(net, GREY, epochs=1, lr=1.0, batch_size=4, decay="constant")
    for name in local_layers(single):
        train_local(single, GREY, epochs=1, lr=1.0, batch_size=4, decay="constant", at=name)
    assert told.layers == ("conv1", "conv2")
    assert len(convergence(net).norm) == 12
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(single.state_dict()[name], weight, rtol=0, atol=0)
    train_supervised(net, GREY, "readout", epochs=2, batch_size=4)
    models.save(net, tmp_path / "net.safetensors")
    again = models.load(tmp_path / "net.safetensors")
    torch.testing.assert_close(again.eval()(GREY.x), net.eval()(GREY.x), rtol=0, atol=0)


def test_the_dense_network_has_the_published_start() -> None:
    net = softhebb_dense(GREY, 300)
    rule, weight = net.encoder.rule, net.encoder.weight
    assert (rule.inverse_temperature, rule.losers, rule.annealing, rule.rate) == (12.0, "hebbian", 0.2, 0.045)
    assert float(weight.min()) >= 0
    assert 0.99 < float(weight.max()) / (35 * (3 / 784) ** 0.5) <= 1
    torch.testing.assert_close(net.run(GREY.x, until="latent").sum(1), torch.ones(12))


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_competition_gets_softer_with_depth(depth: int) -> None:
    """The published inverse temperatures fall from block to block."""
    rules = [layer.rule for layer in local_layers(softhebb(COLOUR, depth, 2, 1)).values()]
    assert all(a.inverse_temperature >= b.inverse_temperature for a, b in pairwise(rules))
