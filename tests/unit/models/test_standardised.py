"""The scaling of images a network was trained on, as a layer of the network."""

import numpy as np
import pytest
import torch
from torch import nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.models import Standardised, as_expected
from eigencode.models.standardised import channel_moments


@pytest.fixture
def colour(rng: torch.Generator) -> ec.Images:
    pixels = torch.randint(0, 256, (7, 3, 4, 5), generator=rng, dtype=torch.uint8)
    return ec.Images(pixels, torch.arange(7) % 2)


def convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).eval()


def test_it_is_the_normalisation_and_then_the_network(colour: ec.Images) -> None:
    net, mean, std = convolution(), (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
    x = colour.x
    by_hand = torch.stack([(x[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    torch.testing.assert_close(Standardised(net, mean, std)(x), net(by_hand))


def test_places_keep_their_names_and_derivatives_are_those_of_pixels(colour: ec.Images) -> None:
    net, std = convolution(), 0.25
    whole = Standardised(net, 0.5, std)
    y = (colour.x - 0.5) / std
    torch.testing.assert_close(ec.at(whole, "0")(colour.x), ec.at(net, "0")(y))
    inside = ec.jacobian_norm(ec.at(net, "4"), y, method="exact", points=True).value
    torch.testing.assert_close(ec.jacobian_norm(ec.at(whole, "4"), colour.x, method="exact").value, inside / std)


def test_aliases_of_the_network_keep_their_names(colour: ec.Images) -> None:
    net = ec.models.perceptron(colour, units=4)
    torch.testing.assert_close(
        ec.at(Standardised(net, 0.0, 2.0), "latent")(colour.x), ec.at(net, "latent")(colour.x / 2)
    )


def test_modes_and_weights_are_shared(colour: ec.Images) -> None:
    net = convolution()
    whole = Standardised(net, 0.0, 1.0)
    assert not whole.training
    assert [id(p) for p in whole.parameters()] == [id(p) for p in net.parameters()]
    assert set(whole.state_dict()) == {f"net.{k}" for k in net.state_dict()}


def test_moments_are_those_of_numpy(colour: ec.Images) -> None:
    mean, std = channel_moments(colour)
    x = colour.pixels.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean.numpy(), x.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std.numpy(), x.std((0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize(("expects", "low", "high"), [("-1-1", -1.0, 1.0), ("0-255", 0.0, 255.0)])
def test_ranges(expects: str, low: float, high: float) -> None:
    ends = ec.Images(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2), torch.tensor([0]))
    got = as_expected(nn.Flatten(), expects, ends)(ends.x)
    torch.testing.assert_close(got, torch.tensor([[low, high]]))


def test_a_network_of_pixels_is_left_alone_and_standardised_means_it(colour: ec.Images) -> None:
    net = nn.Identity()
    assert as_expected(net, "0-1", colour) is net
    z = as_expected(net, "standardised", colour)(colour.x)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var((0, 2, 3), correction=0), torch.ones(3))
    torch.testing.assert_close(as_expected(net, "standardised", colour, 0.5, 0.5)(colour.x), colour.x * 2 - 1)


@pytest.mark.parametrize(
    ("mean", "std"), [((0.1, 0.2), (0.1, 0.2, 0.3)), (0.5, 0.0), (0.5, -1.0), (float("nan"), 1.0), ((), ())]
)
def test_nonsense_is_refused(mean: object, std: object) -> None:
    with pytest.raises(InputError, match="are invalid"):
        Standardised(nn.Identity(), mean, std)


def test_the_wrong_number_of_channels_is_told(colour: ec.Images) -> None:
    with pytest.raises(InputError, match="2 numbers for 3 channels"):
        Standardised(nn.Identity(), (0.1, 0.2), 1.0)(colour.x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("standardized", None, None), "did you mean 'standardised'"),
        (("standardised", 0.5, None), "both or neither"),
        (("0-255", 0.5, 0.5), "contradict"),
    ],
)
def test_contradictions_are_told(colour: ec.Images, arguments: tuple, message: str) -> None:
    expects, mean, std = arguments
    with pytest.raises(InputError, match=message):
        as_expected(nn.Identity(), expects, colour, mean, std)
