"""The quarantined penalties compute what the description of the published code says, and each fix repairs one thing."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.data import PlantedCode
from eigencode.models import Stack, perceptron
from eigencode.paper.published import (
    SHIFT,
    PublishedJacobian,
    PublishedSpectral,
    accuracy,
    eigenvalues,
    uncentred,
)
from eigencode.penalties import Batch, Jacobian, Spectral, watch
from eigencode.spectra import spectrum

X = torch.rand(90, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
DATA = Images(X.float(), torch.arange(90) % 3)


def network(batch_norm: bool = False) -> Stack:
    return perceptron(DATA, units=6, batch_norm=batch_norm).double()


def seen(net: nn.Module, penalty: nn.Module, x: Tensor, step: int = 0) -> Batch:
    with watch(net, penalty) as watched:
        net(x)
    return watched.batch(x, step=step)


def mean_of(penalty: nn.Module, net: nn.Module, x: Tensor, draws: int = 150) -> tuple[float, float]:
    with torch.no_grad():
        values = torch.stack([penalty(Batch(net, x, step=step)) for step in range(draws)])
    return float(values.mean()), float(values.std()) / draws**0.5


@pytest.mark.parametrize(("size", "projections"), [(1, 3), (4, 3), (30, 3), (30, 1)])
def test_d3_makes_the_penalty_smaller_by_a_known_factor(size: int, projections: int) -> None:
    net = network()
    whole = float(net.encoder.weight.detach().square().sum())  # ‖∂h/∂u‖², which D4 makes a constant
    published, error = mean_of(PublishedJacobian(projections), net, X[:size])
    factor = (1 + (projections - 1) / size) / projections
    assert abs(published - factor * whole) < 4.5 * error + 1e-9
    fixed, error = mean_of(PublishedJacobian(projections, fix={"D3"}), net, X[:size])
    assert abs(fixed - whole) < 4.5 * error + 1e-9


def gradient(penalty: nn.Module, x: Tensor, step: int = 0) -> tuple[Tensor, Tensor]:
    net = network()
    value = penalty(Batch(net, x, step=step))
    return value.detach(), torch.autograd.grad(value, net.encoder.weight)[0]


@pytest.mark.parametrize("settings", [{"projections": 1}, {"projections": 3, "fix": {"D3"}}])
def test_a_linear_place_needs_no_differentiation(settings: dict[str, Any]) -> None:
    for ours, witness in zip(
        gradient(PublishedJacobian(**settings), X[:20]), gradient(PublishedJacobian(**settings, method="drawn"), X[:20])
    ):
        torch.testing.assert_close(ours, witness, rtol=1e-12, atol=0)


def test_directions_over_the_whole_batch_enter_a_linear_place_by_their_expectation() -> None:
    """v_1 is the same draw on both sides; the rest differs by what a draw adds at random."""
    auto, drawn = PublishedJacobian(), PublishedJacobian(method="drawn")
    x = X.repeat(2, 1, 1, 1)
    pairs = [(gradient(auto, x, step), gradient(drawn, x, step)) for step in range(150)]
    for i in (0, 1):  # the value, and the gradient
        apart = torch.stack([(a[i] - d[i]).flatten() for a, d in pairs])
        error = apart.std(0) / len(pairs) ** 0.5
        assert float((apart.mean(0).abs() / error).max()) < 4.5
        assert float(apart.std(0).mean()) < 0.03 * float(pairs[0][0][i].abs().mean())


def test_d4_moves_the_jacobian_behind_the_nonlinearity() -> None:
    net = network()
    both = PublishedJacobian(2, fix={"D3", "D4"})
    value, error = mean_of(both, net, X[:10])
    exact = 2 * Jacobian("latent", method="closed", space="unit")(Batch(net, X[:10])).item()  # no ½
    assert abs(value - exact) < 4.5 * error
    assert abs(value - float(net.encoder.weight.detach().square().sum())) > 10 * error


def published_by_hand(z: np.ndarray, everything: np.ndarray, first: np.ndarray, alpha: float, tau: int) -> float:
    """Nested loops over the description. everything: all responses, of which the last `len(z)`-sized batch counts."""

    def covariance(rows: np.ndarray, shift: float, count: int) -> np.ndarray:
        units = rows.shape[1]
        mean = [sum(row[i] - shift for row in rows) / len(rows) for i in range(units)]
        result = np.zeros((units, units))
        for i in range(units):
            for j in range(units):
                square = sum((row[i] - shift) * (row[j] - shift) for row in rows)
                result[i, j] = (square - mean[i] * mean[j] / count) / (count - 1)
        return result

    last = everything[len(everything) - 20 :]  # 90 images in batches of 35: 35, 35, 20
    eigenvalues, vectors = np.linalg.eigh(covariance(last, first.mean(), len(everything)))
    vectors = vectors[:, np.argsort(-eigenvalues)]
    variances = np.diag(vectors.T @ covariance(z, 0.02, len(z)) @ vectors)
    total = 0.0
    for n in range(tau + 1, len(variances) + 1):
        excess = variances[n - 1] / n**-alpha - 1
        total += excess**2 + max(0.0, excess)
    return total / len(variances)


@pytest.mark.parametrize(("alpha", "tau"), [(1.0, 0), (2.62, 2)])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_published_spectral_penalty_by_hand(alpha: float, tau: int, batch_norm: bool) -> None:
    net = network(batch_norm).train()
    penalty = PublishedSpectral(alpha, tau, batch_size=35)
    penalty.prepare(net, X)
    batch = X[10:45]
    value = penalty(seen(net, penalty, batch)).item()
    with torch.no_grad():
        inputs = net.norm(X[:35]).numpy()
        z, everything = (net.encoder(net.norm(x)).numpy() for x in (batch, X))
    assert value == pytest.approx(published_by_hand(z, everything, inputs, alpha, tau), rel=1e-9)


def test_d1_finds_the_mean_as_first_direction_and_its_fix_does_not() -> None:
    net = network()
    with torch.no_grad():
        net.encoder.weight.add_(0.5)  # responses with a large common mean
        mean = net.encoder(net.norm(X)).mean(0)
    mean = mean / mean.norm()
    published, fixed = PublishedSpectral(batch_size=30), PublishedSpectral(batch_size=30, fix={"D1"})
    for penalty in (published, fixed):
        penalty.prepare(net, X)
    assert abs(float(published.basis[:, 0] @ mean)) > 0.999
    torch.testing.assert_close(fixed.basis, _basis(net))


def _basis(net: nn.Module) -> Tensor:
    ours = Spectral(place="encoder")
    ours.prepare(net, X)
    return ours.basis


def test_with_every_fix_it_is_the_spectral_penalty() -> None:
    net = network()
    ours, repaired = Spectral(1.5, 2), PublishedSpectral(1.5, 2, fix={"D1", "D2"})
    values = []
    for penalty in (ours, repaired):
        penalty.prepare(net, X)
        values.append(penalty(seen(net, penalty, X)))
    torch.testing.assert_close(values[0], values[1], rtol=0, atol=0)


def test_only_with_d2_does_the_scale_of_the_responses_matter() -> None:
    for fix, scale_free in [((), False), ({"D1"}, False), ({"D1", "D2"}, True)]:
        values = []
        for scale in (1.0, 3.0):
            net = network()
            with torch.no_grad():
                net.encoder.weight *= scale
            penalty = PublishedSpectral(1.0, batch_size=45, fix=fix)
            penalty.prepare(net, X)
            values.append(penalty(seen(net, penalty, X)).item())
        assert (abs(values[0] / values[1] - 1) < 1e-9) == scale_free


def test_uncentred_covariance_subtracts_almost_nothing() -> None:
    z = torch.randn(50, 3, dtype=torch.float64) + 5
    moved = z - SHIFT
    ours = uncentred(z, SHIFT, 50)
    torch.testing.assert_close(ours, moved.T @ moved / 49, rtol=1e-3, atol=0)
    assert float((ours - moved.T @ moved / 49).abs().min()) > 0


def test_d5_learns_from_the_test_images() -> None:
    net = network(batch_norm=True).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    accuracy(net, X, DATA.y, 30)
    assert int(net.batch_norm.num_batches_tracked) == int(before["batch_norm.num_batches_tracked"]) + 3
    assert float((net.batch_norm.running_mean - before["batch_norm.running_mean"]).abs().max()) > 0
    assert net.training


def test_a_repaired_penalty_is_what_it_repairs_in_every_precision() -> None:
    kinds = (
        PublishedJacobian(fix={"D3", "D4"}),
        PublishedSpectral(fix={"D1", "D2"}),
        PublishedJacobian(method="drawn"),
    )
    assert not any(penalty.mixed for penalty in kinds)


@pytest.mark.parametrize("penalty", [PublishedJacobian(), PublishedJacobian(fix={"D3"}), PublishedSpectral()])
def test_bfloat16_products_change_the_published_penalties_by_rounding_only(penalty: nn.Module) -> None:
    net, x = network().float(), X.float().repeat(2, 1, 1, 1)
    if isinstance(penalty, Spectral):
        penalty.prepare(net, x)
    values, gradients = [], []
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            value = penalty(seen(net, penalty, x))
        values.append(value.detach())
        gradients.append(torch.autograd.grad(value, net.encoder.weight)[0])
    assert values[1].dtype == gradients[1].dtype == torch.float32
    assert not torch.equal(gradients[0], gradients[1])
    torch.testing.assert_close(values[1], values[0], rtol=0.01, atol=0)
    assert float((gradients[1] - gradients[0]).norm() / gradients[0].norm()) < 0.02


def test_unknown_fixes_are_refused() -> None:
    for bad in (lambda: PublishedJacobian(fix={"D1"}), lambda: PublishedSpectral(fix={"D9"})):
        with pytest.raises(InputError, match="no such departure"):
            bad()
    with pytest.raises(InputError, match="projections"):
        PublishedJacobian(0)


def test_single_precision_makes_half_of_a_steep_tail_negative() -> None:
    """D13, the toy of its description: 200 units, α = 3, a large mean."""
    z = PlantedCode.of(200, 3.0).sample(2000, seed=1) + 1
    single, double = eigenvalues(z, 0.07), spectrum(z).eigenvalues
    assert int((single < 0).sum()) > 20
    assert int((double < 0).sum()) == 0
    torch.testing.assert_close(single[:5].double(), double[:5], rtol=1e-4, atol=0)
