"""Spectra of many places from one pass are the spectra of each."""

import dataclasses
import sys

import pytest
import torch
from resnet import TEN, ResNet
from torch import nn

import eigencode as ec
from eigencode.spectra import spectra_at

X = torch.rand(120, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("reduce", ["flatten", "mean"])
def test_ten_places_at_once_are_ten_spectra(reduce: str, leaves_no_trace) -> None:
    net = ResNet(width=4).train()
    leaves_no_trace(net, X, lambda: spectra_at(net, X, TEN[:2], reduce=reduce))
    found = spectra_at(net, X, TEN, reduce=reduce, batch_size=50, seed=3)
    assert tuple(found) == TEN
    for place in TEN:
        one = ec.spectrum(ec.at(net, place, reduce=reduce), X, batch_size=50, seed=3)
        torch.testing.assert_close(found[place].tensors(), one.tensors(), equal_nan=True)
        assert found[place].scalars() == one.scalars()


def test_each_place_reads_the_images_again_that_its_own_interval_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample of images grows with the units, so wide places need images that narrow ones leave out."""
    for module in ("places", "spectrum"):
        monkeypatch.setattr(sys.modules[f"eigencode.spectra.{module}"], "rows_wanted", lambda units: 30 + units)
    net, places = ResNet(width=4), ["layer1", "layer3", "logits"]
    found = spectra_at(net, X, places, reduce="mean", seed=3)
    assert sorted({30 + s.n_units for s in found.values()}) == [34, 40, 46]
    for place in places:
        one = ec.spectrum(ec.at(net, place, reduce="mean"), X, seed=3)
        torch.testing.assert_close(found[place].tensors(), one.tensors(), equal_nan=True)


def test_the_floor_of_each_place_knows_the_rounding_inside_the_network() -> None:
    x = torch.rand(400, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    linear = nn.Sequential(nn.Flatten(), nn.Linear(36, 100, bias=False), nn.Linear(100, 80, bias=False))
    found = spectra_at(linear, x, ["1", "2"])
    assert [s.n_above_floor for s in found.values()] == [36, 36]
    assert spectra_at(linear, x, ["2"], interval=False)["2"].n_above_floor > 36


def test_one_pass_per_batch() -> None:
    net, passes = ResNet(width=4), []
    net.stem.register_forward_hook(lambda module, args, out: passes.append(len(out)))
    spectra_at(net, X, TEN, interval=False, batch_size=50)
    assert passes[-3:] == [50, 50, 20]
    assert sum(passes[:-3]) <= 16, "a few images, to see whether the network is random or mixes the images of a batch"


def test_from_a_start_and_unit_space() -> None:
    train, test = ec.load("digits")
    net = ec.models.krotov_hopfield(train[:100], units=20)
    for start, code in (("unit", ec.at(net, "latent", "unit")), ("norm", ec.between(net, "norm", "latent"))):
        found = spectra_at(net, test.x, ["encoder", "latent"], start=start)["latent"]
        one = ec.spectrum(code, test.x)
        torch.testing.assert_close(found.eigenvalues, one.eigenvalues)
        assert dataclasses.asdict(found)["space"] == one.space


def test_images_are_treated_alike_by_spectrum_and_jacobian() -> None:
    """Both take images, and both take points where they are told so."""
    train, test = ec.load("digits")
    net = ec.models.krotov_hopfield(train[:100], units=20)
    code, pixel = ec.at(net, "latent", space="unit"), ec.at(net, "latent")
    a, b = ec.spectrum(code, test.x), ec.spectrum(pixel, test.x)
    torch.testing.assert_close(a.eigenvalues, b.eigenvalues)
    c = ec.spectrum(code, code.points(test.x), points=True)
    torch.testing.assert_close(a.eigenvalues, c.eigenvalues, rtol=0, atol=0)
    torch.testing.assert_close(
        ec.jacobian_norm(code, test.x[:9]).value, ec.jacobian_norm(code, code.points(test.x[:9]), points=True).value
    )


def test_the_positions_of_an_image_are_one_group() -> None:
    net = ResNet(width=4)
    found = spectra_at(net, X, ["layer1", "layer2", "logits"], reduce="positions")
    assert [(s.n_samples, s.n_groups) for s in found.values()] == [(120 * 64, 120), (120 * 16, 120), (120, 0)]
    for place, one in found.items():
        code = ec.at(net, place, reduce="positions")
        torch.testing.assert_close(one.tensors(), ec.spectrum(code, X).tensors(), equal_nan=True)
        rows = code(X)
        given = ec.spectrum(rows, groups=torch.arange(120).repeat_interleave(len(rows) // 120))
        torch.testing.assert_close(one.influence, given.influence, rtol=1e-3, atol=1e-4, equal_nan=True)
    assert spectra_at(net, X, ["layer1"], reduce="positions", interval=False)["layer1"].influence.numel() == 0


def test_a_code_wider_than_a_covariance() -> None:
    wide = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU())
    found = spectra_at(wide, X, ["1"], reduce="random:1000")["1"]
    exact = spectra_at(wide, X, ["1"])["1"]
    torch.testing.assert_close(found.eigenvalues[:3], exact.eigenvalues[:3], rtol=0.25, atol=0)
