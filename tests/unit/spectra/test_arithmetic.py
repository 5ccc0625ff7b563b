"""Rounding inside a float32 network is told from its code, and nothing else is."""

import copy
import math
import threading

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.types import Images
from eigencode.models import Stack, perceptron
from eigencode.spectra import heldout_spectrum, spectra_by_width, spectrum
from eigencode.spectra._arithmetic import arithmetic_errors

X = torch.rand(900, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def network(units: int) -> Stack:
    return perceptron(Images(X, torch.arange(900) % 3), units=units)


@pytest.mark.parametrize("units", [50, 200, 700])
@pytest.mark.parametrize("space", ["pixel", "unit"])
def test_a_linear_code_of_36_inputs_has_36_eigenvalues(units: int, space: str) -> None:
    code = ec.at(network(units), "encoder", space=space)
    points = code.points(X)
    found = spectrum(code, points)
    assert found.n_above_floor == 36
    exact = spectrum(ec.at(network(units).double(), "encoder", space=space), points.double(), interval=False)
    torch.testing.assert_close(found.eigenvalues[:36], exact.eigenvalues[:36], rtol=1e-6, atol=0)
    assert spectrum(code(points)).n_above_floor > 36  # the array does not know how it was computed


@pytest.mark.parametrize("power", [1.0, 4.5])
def test_eigenvalues_that_rounding_does_not_change_are_kept(power: float) -> None:
    """Units of very different size: errors grow with the response, and say nothing about the small eigenvalues."""
    net = network(60)
    net.activation.n = power
    with torch.no_grad():
        net.encoder.weight *= torch.logspace(0, -3, 60)[:, None]
    code = ec.at(net, "latent")
    found, exact = spectrum(code, X), spectrum(ec.at(copy.deepcopy(net).double(), "latent"), X.double(), interval=False)
    right = (found.eigenvalues / exact.eigenvalues - 1).abs() < 0.1
    kept = found.eigenvalues > found.floor
    assert bool(right[kept].all())
    assert int(kept.sum()) >= 0.8 * int(right.sum())


def test_every_kind_of_spectrum_with_directions_knows() -> None:
    code = ec.at(network(200), "encoder")
    assert [s.n_above_floor for s in spectra_by_width(code, X, widths=(100, 200))] == [36, 36]
    heldout = heldout_spectrum(code, X[:600], X[600:])
    assert int((heldout.eigenvalues > heldout.floor).sum()) == 36
    law = spectrum(code, X).power_law(window=(11, 100))
    assert all(map(math.isnan, law.interval))
    assert any("beyond rank 36 are rounding" in told for told in law.warnings)


def test_the_network_and_the_generator_are_handed_back_as_they_were() -> None:
    net = network(20).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert arithmetic_errors(ec.at(net, "encoder"), X) is not None
    assert net.training
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    noisy, state = Noisy(36, 5), torch.get_rng_state()
    assert arithmetic_errors(noisy, X) is None
    torch.testing.assert_close(torch.get_rng_state(), state, rtol=0, atol=0)


class Noisy(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1)) + torch.rand(len(x), 5, dtype=x.dtype)


class Single(nn.Linear):
    """Computes in float32 whatever it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1).float())


class Bumpy(nn.Linear):
    """Answers the first of all points otherwise in float64: a threshold that rounding has crossed once."""

    def forward(self, x: Tensor) -> Tensor:
        first = (x.flatten(1) == X[0].flatten().to(x.dtype)).all(1) & (x.dtype == torch.float64)
        return super().forward(x.flatten(1)) + first[:, None].to(x.dtype)


class Strict(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        return super().forward(x.flatten(1))


class Pixels(nn.Linear):
    """Scales images of bytes itself."""

    def forward(self, x: Tensor) -> Tensor:
        scaled = x.to(self.weight.dtype) / 255 if x.dtype == torch.uint8 else x
        return super().forward(scaled.flatten(1))


def test_what_cannot_be_told_counts_nothing() -> None:
    double = nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).double()
    for nothing in (nn.Flatten(), lambda x: x.flatten(1)):
        assert not arithmetic_errors(nothing, X).any()
    assert arithmetic_errors(Noisy(36, 5), X) is None
    assert arithmetic_errors(double, X.double()) is None
    assert arithmetic_errors(Strict(36, 5), X[:1]) is None
    assert spectrum(Strict(36, 5), X).n_above_floor == 5


class Locked(nn.Linear):
    """Cannot be copied."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(inputs, units)
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


@pytest.mark.parametrize("kind", ["single", "strict", "locked", "function", "of pixels"])
def test_rounding_is_told_without_a_copy_in_float64(kind: str) -> None:
    made = {"single": Single, "strict": Strict, "locked": Locked}.get(kind, Single)(36, 200)
    with torch.no_grad():
        made.weight.copy_(torch.randn(200, 36, generator=torch.Generator().manual_seed(0)))
    code = {"function": lambda x: made(x), "of pixels": lambda x: x.flatten(1) @ made.weight.T}.get(kind, made)
    found = spectrum(code, X)
    assert found.n_above_floor == 36
    exact = spectrum(X.double().flatten(1) @ made.weight.T.double(), interval=False)
    torch.testing.assert_close(found.eigenvalues[:36], exact.eigenvalues[:36], rtol=1e-5, atol=0)
    law = found.power_law(window=(11, 100))
    assert all(map(math.isnan, law.interval))
    assert any("beyond rank 36 are rounding" in told for told in law.warnings)


def test_a_function_that_computes_in_float64_has_no_rounding() -> None:
    weight = torch.randn(200, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    steep = torch.logspace(0, -5, 36, dtype=torch.float64)
    found = spectrum(lambda x: (x.flatten(1).double() * steep) @ weight.T, X.double())
    assert found.n_above_floor == 36


def test_images_of_bytes_stay_bytes() -> None:
    found = spectrum(Pixels(36, 5), (X * 255).to(torch.uint8))
    assert found.n_above_floor == 5
    assert found.floor < 1e-6 * float(found.eigenvalues[-1])


def test_one_threshold_crossed_by_rounding_does_not_count() -> None:
    found = spectrum(Bumpy(36, 5), X)
    assert found.n_above_floor == 5
    assert found.floor < 1e-6 * float(found.eigenvalues[-1])


def test_points_are_evaluated_in_batches_of_the_size_asked_for() -> None:
    sizes: list[int] = []
    module = Pixels(36, 5)
    module.register_forward_hook(lambda m, args, out: sizes.append(len(out)))
    spectrum(module, X, batch_size=40)
    assert max(sizes) <= 40


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: (x * 255).byte().float() / 255,
        lambda x: (x * 255).round() / 255,
        lambda x: (x * 255).ceil() / 255,
    ],
    ids=["down", "nearest", "up"],
)
def test_a_function_that_cuts_its_input_to_bytes_has_no_rounding_of_that_size(cut: object) -> None:
    made, x = Single(36, 20), (X * 255).round() / 255
    found = spectrum(lambda images: made(cut(images)), x)
    assert found.n_above_floor == 20
    assert found.floor < 1e-6 * float(found.eigenvalues[-1])


def test_changes_far_larger_than_rounding_tell_nothing() -> None:
    made, x = Single(36, 20), (X * 255).round() / 255
    assert arithmetic_errors(lambda images: made((images * 255).ceil() / 255), x) is None
    assert arithmetic_errors(lambda images: made(images), x) is not None
