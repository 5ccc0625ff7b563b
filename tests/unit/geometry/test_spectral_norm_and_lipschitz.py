"""Largest stretches against singular values, bounds that contain what was observed, and honest infinities."""

import math

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.types import Images
from eigencode.geometry import jacobian_norm, lipschitz_upper, spectral_norm
from eigencode.models import krotov_hopfield, perceptron
from eigencode.representation.at import at
from eigencode.representation.layers import OneLayer

DATA = Images(torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3)
X = DATA.x.double()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e9, 1e30])
def test_a_spectral_norm_far_from_one(scale: float) -> None:
    gains = torch.tensor([3.0, -7.0, 1.0, 2.0]) * scale
    found = spectral_norm(lambda x: x * gains, torch.rand(6, 4))
    assert bool(found.converged.all())
    torch.testing.assert_close(found.value / scale, torch.full((6,), 7.0).double(), rtol=1e-5, atol=0)


def lower_bound(net: nn.Module) -> float:
    return float(spectral_norm(net, torch.randn(40, 6)).value.max())


def test_a_silent_unit_does_not_make_the_bound_zero() -> None:
    """On the whole space the largest response is infinite, and 0 · ∞ is not a number."""
    pruned = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    pruned[0].weight.data[2] = 0.0
    scaled = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    scaled[2].weight.data[1] = 0.0
    for net in (pruned.eval(), scaled.eval()):
        bound = lipschitz_upper(net, space="pixel").value
        assert lower_bound(net) <= bound < math.inf
        assert lipschitz_upper(net, space="pixel", radius=5.0).value <= bound


def jacobians(code: nn.Module, points: Tensor) -> Tensor:
    return torch.stack([torch.func.jacrev(lambda p: code(p[None])[0])(p).flatten(1) for p in points])


@pytest.mark.parametrize("space", ["pixel", "unit"])
@pytest.mark.parametrize("place", ["encoder", "latent", "logits"])
def test_it_is_the_largest_singular_value(space: str, place: str) -> None:
    net = perceptron(DATA, units=7, batch_norm=True).double()
    net(X)
    code = at(net, place, space)
    result = spectral_norm(code, X, tolerance=1e-9, iterations=5000)
    matrices = jacobians(code, code.points(X))
    exact = torch.linalg.matrix_norm(matrices, 2)
    assert bool(result.converged.all())
    torch.testing.assert_close(result.value, exact, rtol=1e-8, atol=0)
    assert bool((result.value <= exact * (1 + 1e-12)).all())
    stretched = (matrices @ result.direction[:, :, None])[:, :, 0].norm(dim=1)
    torch.testing.assert_close(stretched, exact, rtol=1e-8, atol=0)
    assert bool((result.value <= jacobian_norm(code, X).value * (1 + 1e-12)).all())
    assert (result.place, result.space) == (place, space)


def test_the_residual_bounds_the_error_when_stopped_early() -> None:
    code = at(perceptron(DATA, units=30).double(), "latent", "unit")
    result = spectral_norm(code, X, iterations=3, tolerance=1e-12)
    assert not bool(result.converged.any())
    assert result.iterations == 3
    singular = torch.linalg.svdvals(jacobians(code, code.points(X)))
    nearest = (singular**2 - result.value[:, None] ** 2).abs().amin(1)
    assert bool((nearest <= result.residual * result.value**2 * (1 + 1e-9)).all())
    assert bool((result.residual > 1e-6).all())


def test_a_dead_code_stretches_nothing() -> None:
    with pytest.warns(EigencodeWarning, match="zero for 3 of 3"):
        result = spectral_norm(lambda x: 0 * x, torch.rand(3, 4))
    torch.testing.assert_close(result.value, torch.zeros(3, dtype=torch.float64))
    assert bool(result.converged.all())


@pytest.mark.parametrize("batch_size", [3, 500])
def test_nothing_of_the_caller_changes(batch_size: int, leaves_no_trace) -> None:
    net = perceptron(DATA, units=7, batch_norm=True).train()
    leaves_no_trace(net, DATA.x, lambda: spectral_norm(net, DATA.x, iterations=2, batch_size=batch_size))
    leaves_no_trace(net, DATA.x, lambda: lipschitz_upper(net, "logits"))


NETS = {
    "perceptron": lambda: perceptron(DATA, units=9).double(),
    "batch norm": lambda: perceptron(DATA, units=9, batch_norm=True).double(),
    "squares": lambda: perceptron(DATA, units=9, n=2.0).double(),
    "krotov-hopfield": lambda: krotov_hopfield(DATA, units=9).double(),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("place", ["encoder", "latent", "logits"])
def test_the_upper_bound_holds_for_pairs_of_points_in_the_ball(name: str, place: str) -> None:
    net, radius = NETS[name](), 2.0
    net(X)
    net.eval()
    code = at(net, place, "unit")
    bound = lipschitz_upper(net, place, "unit", radius)
    draw = torch.randn(2, 2000, 16, dtype=torch.float64)
    length = torch.rand(2, 2000, 1, dtype=torch.float64) * radius
    a, b = (draw / draw.norm(dim=2, keepdim=True) * length).reshape(2, -1, 1, 4, 4)
    with torch.no_grad():
        stretch = (code(a) - code(b)).norm(dim=1) / (a - b).flatten(1).norm(dim=1)
    assert math.isfinite(bound.value)
    assert float(stretch.max()) <= bound.value
    assert float(spectral_norm(code, a[:200], points=True).value.max()) <= bound.value
    assert float(stretch.max()) > bound.value / 300  # a bound, not a formality
    assert math.prod(bound.factors.tolist()) == pytest.approx(bound.value)
    assert len(bound.included) == len(bound.factors)


@pytest.mark.parametrize("name", NETS)
def test_the_upper_bound_holds_for_pairs_of_images(name: str) -> None:
    net = NETS[name]()
    net(X)
    net.eval()
    images = X / X.flatten(1).norm(3.0, dim=1).reshape(-1, 1, 1, 1) * (0.5 + torch.rand(20, 1, 1, 1).double())
    bound = lipschitz_upper(net, "latent", "pixel", smallest=0.5)
    z = at(net, "latent")(images).detach()
    stretch = torch.pdist(z) / torch.pdist(images.flatten(1))
    assert float(stretch.max()) <= bound.value < math.inf
    assert bound.included[0].startswith("x/‖x‖_3")
    assert lipschitz_upper(net, "latent", "pixel").value == math.inf


def test_one_linear_layer_is_exact_and_powers_have_no_global_bound() -> None:
    net = perceptron(DATA, units=9).double()
    top = float(torch.linalg.matrix_norm(net.encoder.weight.detach(), 2))
    assert lipschitz_upper(net, "encoder").value == pytest.approx(top)
    assert lipschitz_upper(net, "latent").value == pytest.approx(top)
    readout = float(torch.linalg.matrix_norm(net.readout.weight.detach(), 2))
    assert lipschitz_upper(net, "logits").value == pytest.approx(top * readout)
    squares = NETS["squares"]()
    assert lipschitz_upper(squares, "latent").value == math.inf
    assert lipschitz_upper(squares, "encoder").value < math.inf
    smaller, larger = (lipschitz_upper(squares, "latent", radius=r).value for r in (1.0, 2.0))
    assert larger == pytest.approx(2 * smaller)


def test_a_single_power_unit_attains_its_bound() -> None:
    class One(nn.Module):
        layer = OneLayer(torch.tensor([[0.6, 0.8]]).double(), torch.tensor([0.5]).double(), 3.0)

        def as_layers(self, place: str) -> tuple[OneLayer, ...]:
            return (self.layer,)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    bound = lipschitz_upper(One(), "logits", "pixel", radius=2.0, x=torch.rand(3, 2).double())
    assert bound.value == pytest.approx(3 * 2.5**2)


def test_wrong_input_is_explained(unchecked: None) -> None:
    net = perceptron(DATA, units=5)
    for bad, message in [
        (lambda: spectral_norm(net, DATA.x[:0]), "no images"),
        (lambda: lipschitz_upper(nn.Conv2d(1, 1, 3), "logits", "pixel"), "no product bound"),
        (lambda: lipschitz_upper(nn.Sequential(nn.Linear(2, 2)), "logits", "unit"), "no unit space"),
        (lambda: lipschitz_upper(net, "latnet"), r"(?s)no place 'latnet'.*did you mean 'latent'"),
        (lambda: lipschitz_upper(net, radius=-1.0), "not a region"),
    ]:
        with pytest.raises(InputError, match=message):
            bad()
