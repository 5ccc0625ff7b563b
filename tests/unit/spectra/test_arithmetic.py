"""Rounding inside a float32 network is told from its code, and nothing else is."""

import math

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.types import Images
from eigencode.models import Network, perceptron
from eigencode.spectra import heldout_spectrum, leading_spectrum, spectra_by_width, spectrum
from eigencode.spectra.arithmetic import arithmetic_floor

X = torch.rand(900, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def network(units: int) -> Network:
    return perceptron(Images(X, torch.arange(900) % 3), units=units)


@pytest.mark.parametrize("units", [50, 200, 1000])
@pytest.mark.parametrize("space", ["pixel", "unit"])
def test_a_linear_code_of_36_inputs_has_36_eigenvalues(units: int, space: str) -> None:
    code = ec.at(network(units), "encoder", space=space)
    points = code.points(X)
    found = spectrum(code, points, interval=False)
    assert found.n_above_floor == 36
    exact = spectrum(ec.at(network(units).double(), "encoder", space=space), points.double(), interval=False)
    assert exact.n_above_floor == 36
    torch.testing.assert_close(found.eigenvalues[:36], exact.eigenvalues[:36], rtol=1e-6, atol=0)
    assert spectrum(code(points), interval=False).n_above_floor > 36  # the array does not know how it was computed


def test_every_kind_of_spectrum_knows() -> None:
    code = ec.at(network(200), "encoder")
    assert [s.n_above_floor for s in spectra_by_width(code, X, widths=(100, 200))] == [36, 36]
    assert leading_spectrum(code, X, top=60).n_above_floor == 36
    heldout = heldout_spectrum(code, X[:600], X[600:])
    assert int((heldout.eigenvalues > heldout.floor).sum()) == 36
    law = spectrum(code, X).power_law(window=(11, 100))
    assert all(map(math.isnan, law.interval))
    assert any("beyond rank 36 are rounding" in told for told in law.warnings)


def test_the_network_is_handed_back_as_it_was() -> None:
    net = network(20).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert arithmetic_floor(ec.at(net, "encoder"), X) > 0
    assert net.training
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


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


def test_what_cannot_be_told_counts_nothing() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in (
            Noisy(36, 5),
            Single(36, 5),
            nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).double(),
            nn.Flatten(),
        ):
            assert arithmetic_floor(module, X.double() if isinstance(module, nn.Sequential) else X) == 0
        assert arithmetic_floor(lambda x: x.flatten(1), X) == 0
        assert arithmetic_floor(Bumpy(36, 5), X[:1]) == 0
        assert 0 < arithmetic_floor(Bumpy(36, 5), X) < 1e-10
