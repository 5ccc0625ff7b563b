"""The spectral penalty against the formula written out in numpy, and its life over epochs and steps."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.flush import flushing
from eigencode.penalties import Batch, Spectral, spectral_loss, watch


def loss_by_hand(z: np.ndarray, everything: np.ndarray, alpha: float, tau: int) -> float:
    """Nassar's loss with loops; z: responses of a batch, everything: responses of the training set."""
    eigenvalues, vectors = np.linalg.eigh(np.cov(everything.T))
    order = np.argsort(-eigenvalues)
    covariance = np.cov(z.T)
    variances = [float(vectors[:, i] @ covariance @ vectors[:, i]) for i in order]
    anchor = max(tau, 1)
    kappa = variances[anchor - 1] * anchor**alpha
    total = 0.0
    for n in range(tau + 1, len(variances) + 1):
        excess = variances[n - 1] / (kappa * n**-alpha) - 1
        total += excess**2 + max(0.0, excess)
    return total / len(variances)


def small_net(batch_norm: bool = False) -> nn.Sequential:
    middle = [nn.BatchNorm1d(6)] if batch_norm else []
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), *middle, nn.Linear(6, 3)).double()
    net(images(40, 9))
    return net


def images(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5


def use(net: nn.Module, penalty: Spectral, x: Tensor) -> Tensor:
    with watch(net, penalty) as seen:
        net(x)
    return penalty(seen.batch(x))


@pytest.mark.parametrize(("alpha", "tau"), [(1.0, 0), (2.0, 0), (1.3, 1), (0.7, 3)])
@pytest.mark.parametrize(("place", "batch_norm"), [("2", False), ("1", False), ("3", False), ("3", True), ("4", True)])
@pytest.mark.parametrize("training", [True, False])
def test_it_is_the_formula(alpha: float, tau: int, place: str, batch_norm: bool, training: bool) -> None:
    net = small_net(batch_norm)
    tau = min(tau, 2)
    penalty, x = Spectral(alpha, tau, place), images(25, 1)
    penalty.prepare(net.train(training), images(70, 2))
    upto = nn.Sequential(*list(net.children())[: int(place) + 1])
    everything = upto.eval()(images(70, 2)).detach().numpy()  # evaluation mode ...
    z = upto.train(training)(x).detach().numpy()  # ... while the batch is seen as the forward pass saw it
    value = use(net.train(training), penalty, x).detach()
    assert float(value) == pytest.approx(loss_by_hand(z, everything, alpha, tau), rel=1e-9)


def test_it_is_zero_for_the_power_law_and_knows_both_sides() -> None:
    n = torch.arange(1, 51, dtype=torch.float64)
    assert float(spectral_loss(3 * n**-1.5, 1.5)) == pytest.approx(0, abs=1e-14)
    assert float(spectral_loss(3 * n**-1.5, 1.5, tau=10)) == pytest.approx(0, abs=1e-14)
    law = n**-1.0
    above, below = law.clone(), law.clone()
    above[20], below[20] = 1.5 * law[20], 0.5 * law[20]
    assert float(spectral_loss(above, 1.0)) == pytest.approx((0.25 + 0.5) / 50)
    assert float(spectral_loss(below, 1.0)) == pytest.approx(0.25 / 50)
    assert float(spectral_loss(above, 1.0, tau=21, anchor=torch.tensor(1.0, dtype=torch.float64))) < 1e-14  # free


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("tau", [0, 2])
def test_multiplying_all_responses_changes_nothing(scale: float, tau: int) -> None:
    net, x = small_net(), images(30)
    penalty = Spectral(1.0, tau, "2")
    penalty.prepare(net, x)
    value = use(net, penalty, x)
    with torch.no_grad():
        net[1].weight *= scale
        net[1].bias *= scale
    torch.testing.assert_close(use(net, penalty, x), value)
    penalty.prepare(net, x)
    torch.testing.assert_close(use(net, penalty, x), value)


def test_a_common_offset_changes_nothing() -> None:
    net, x = small_net(), images(30)
    penalty = Spectral(1.0, place="1")
    penalty.prepare(net, x)
    value = use(net, penalty, x)
    with torch.no_grad():
        net[1].bias += 1000.0
    penalty.prepare(net, x)
    torch.testing.assert_close(use(net, penalty, x), value, rtol=1e-7, atol=0)


def test_descent_reaches_the_power_law() -> None:
    """A linear code can have any spectrum: gradient descent on the penalty alone must find the law."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 6, bias=False)).double()
    x = torch.randn(1000, 3, 2, 2, dtype=torch.float64)
    penalty = Spectral(1.5, place="1")
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for epoch in range(120):
        penalty.prepare(net, x, epoch)
        optimiser.zero_grad()
        loss = use(net, penalty, x)
        loss.backward()
        optimiser.step()
    eigenvalues = torch.linalg.eigvalsh(torch.cov(net(x).detach().T)).flip(0)
    n = torch.arange(1, 7, dtype=torch.float64)
    torch.testing.assert_close(eigenvalues / eigenvalues[0], n**-1.5, rtol=0.1, atol=0)


@pytest.mark.parametrize("inside", [nullcontext, flushing])  # studies train without subnormal numbers
def test_a_dead_code_gives_a_finite_number_and_no_nan_gradient(
    inside: Callable[[], AbstractContextManager[None]],
) -> None:
    net, x = small_net(), images(20)
    nn.init.constant_(net[1].bias, -1000.0)
    penalty = Spectral(1.0, place="2")
    penalty.prepare(net, x)
    with inside():
        value = use(net, penalty, x)
        value.backward()
    assert bool(torch.isfinite(value))
    assert bool(torch.isfinite(net[1].weight.grad).all())


def test_uint8_images_are_scaled_like_floats() -> None:
    net, pixels = small_net(), torch.randint(0, 256, (50, 3, 2, 2), dtype=torch.uint8)
    net = net.float()
    bases = []
    for x in (pixels, pixels.float() / 255):
        penalty = Spectral(1.0, place="2")
        penalty.prepare(net, x)
        bases.append(penalty.basis)
    torch.testing.assert_close(bases[0], bases[1], rtol=0, atol=0)


def test_the_basis_streams() -> None:
    from eigencode.penalties import spectral

    net, x = small_net(), images(101)
    whole, streamed = Spectral(place="2"), Spectral(place="2")
    whole.prepare(net, x)
    spectral.CHUNK, before = 7, spectral.CHUNK
    try:
        streamed.prepare(net, x)
    finally:
        spectral.CHUNK = before
    torch.testing.assert_close(streamed.basis.abs(), whole.basis.abs())
    assert streamed.basis.dtype == torch.float64


@pytest.mark.parametrize("tau", [0, 1, 3])
def test_with_its_gradient_the_anchor_holds_the_scale(tau: int) -> None:
    """Euler: what does not change when z is scaled has no derivative along z."""

    net, x = small_net(), images(30)

    def along(anchor_gradient: bool) -> tuple[float, float, Tensor]:
        penalty = Spectral(1.3, tau, "1", anchor_gradient=anchor_gradient)
        penalty.prepare(net, x)
        z = net[1](net[0](x)).detach().requires_grad_()
        value = penalty(Batch(net, x, places={"1": z}))
        (slope,) = torch.autograd.grad(value, z)
        return float(value.detach()), float((slope * z.detach()).sum()), slope

    constant, free = along(False), along(True)
    assert free[0] == constant[0]
    assert abs(free[1]) < 1e-9 * float(free[2].abs().max())
    assert abs(constant[1]) > 1e-3 * float(constant[2].abs().max())


def test_refresh_happens_when_it_is_due() -> None:
    net, x = small_net(), images(30)

    def refreshes(penalty: Spectral, calls: list[tuple[int | None, int | None]]) -> list[bool]:
        happened = []
        for epoch, step in calls:
            penalty.basis = torch.zeros_like(penalty.basis)
            penalty.prepare(net, x, epoch, step)
            happened.append(bool(penalty.basis.any()))
        return happened

    calls = [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)]
    assert refreshes(Spectral(place="2"), calls) == [True, False, False, True, False, False]
    assert refreshes(Spectral(place="2", refresh=2), calls) == [True, False, True, False, True, False]
    assert refreshes(Spectral(place="2", refresh=1), calls) == [True] * 6
    assert refreshes(Spectral(place="2"), [(None, None)] * 2) == [True] * 2
    assert refreshes(Spectral(place="2", refresh=5), [(None, None)] * 2) == [True] * 2


def test_its_state_travels() -> None:
    net, x = small_net(), images(30)
    first, second = Spectral(place="2", refresh=100), Spectral(place="2", refresh=100)
    first.prepare(net, x, 0, 50)
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        net[1].weight *= -1
    second.prepare(net, x, 1, 60)  # not due yet
    torch.testing.assert_close(second.basis, first.basis, rtol=0, atol=0)
    torch.testing.assert_close(use(net, second, x), use(net, first, x), rtol=0, atol=0)
    second.prepare(net, x, 1, 150)
    assert float((second.basis - first.basis).abs().max()) > 0


def test_a_small_batch_warns_once() -> None:
    net, x = small_net(), images(30)
    penalty = Spectral(place="2")
    penalty.prepare(net, x)
    with pytest.warns(EigencodeWarning, match="batch_size >= 6"):
        use(net, penalty, x[:5])
    use(net, penalty, x[:5])  # warnings are errors here


def test_wrong_use_is_explained(unchecked: None) -> None:
    net, x = small_net(), images(30)
    prepared = Spectral(place="2")
    prepared.prepare(net, x)
    for bad, message in [
        (lambda: Spectral(alpha=0.0), "out of range"),
        (lambda: Spectral(tau=-1), "out of range"),
        (lambda: Spectral(refresh=0), "out of range"),
        (lambda: use(net, Spectral(place="2"), x), "prepare"),
        (lambda: use(net, prepared, x[:1]), "at least 2 images"),
        (lambda: prepared(Batch(net, x)), "was not kept"),
        (lambda: use(net, Spectral(place="nowhere"), x), "no place"),
    ]:
        with pytest.raises(InputError, match=message):
            bad()
    late = Spectral(tau=6, place="2")
    late.prepare(net, x)
    with pytest.raises(InputError, match="tau < units"):
        use(net, late, x)
