"""Spectra of z-scored units are those of the correlation matrix, with intervals that know of it."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.measures import SpectrumMeasure
from eigencode.spectra import spectra_at, spectrum

G = torch.Generator().manual_seed(0)
SIZES = torch.logspace(-3, 3, 12, dtype=torch.float64)


def code(n: int, units: int = 12, seed: int = 0) -> Tensor:
    """Correlated units of very different size."""
    g = torch.Generator().manual_seed(seed)
    mixing = torch.randn(units, units, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    z = torch.randn(n, units, generator=g, dtype=torch.float64) * torch.arange(1, units + 1) ** -0.7
    return (z @ mixing + 5) * torch.logspace(-3, 3, units, dtype=torch.float64)


@pytest.mark.parametrize(("n", "units"), [(300, 12), (20, 40)], ids=["covariance", "Gram matrix"])
def test_eigenvalues_of_the_correlation_matrix(n: int, units: int) -> None:
    x = code(n, units)
    known = np.linalg.eigvalsh(np.corrcoef(x.numpy().T))[::-1][: min(units, n - 1)]
    found = spectrum(x, scale="zscore", interval=False)
    np.testing.assert_allclose(found.eigenvalues, known, rtol=1e-8, atol=1e-12)
    assert found.scale == "zscore"
    assert spectrum(x, interval=False).scale == "none"
    batches = spectrum(iter(x.split(7)), scale="zscore", interval=False)
    torch.testing.assert_close(batches.eigenvalues, found.eigenvalues)


def test_the_size_of_a_unit_does_not_matter() -> None:
    x = code(300)
    one, other = (spectrum(z, scale="zscore").power_law((1, 10)) for z in (x, x / SIZES))
    assert one.alpha == pytest.approx(other.alpha, rel=1e-9)
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-6)


def test_constant_units_stay_zero() -> None:
    x = code(300).float()
    more = torch.cat([x, torch.full((300, 3), 7.1)], 1)
    found = spectrum(more, scale="zscore", interval=False)
    torch.testing.assert_close(found.eigenvalues[:12], spectrum(x, scale="zscore", interval=False).eigenvalues)
    assert found.n_above_floor <= 12


def test_the_error_of_the_largest_eigenvalue_is_that_of_the_jackknife() -> None:
    """Units with one common factor: the largest eigenvalue of the correlation matrix, near its trace, hardly varies."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(300, 1, generator=g, dtype=torch.float64) + 0.5 * torch.randn(300, 10, generator=g).double()
    kept = ~torch.eye(300, dtype=torch.bool)
    without = [np.log(np.linalg.eigvalsh(np.corrcoef(x[k].numpy().T))[-1]) for k in kept]
    jackknife = 299 / 300**0.5 * float(np.std(without, ddof=1))
    effects = [spectrum(x, scale=s).logs.effects[:, :-1, 0] for s in ("zscore", "none")]  # without the correction's
    found, plain = (float(e.square().sum(1).mean().sqrt()) for e in effects)
    assert found == pytest.approx(jackknife, rel=0.1)
    assert found < 0.5 * plain


@pytest.mark.slow
def test_intervals_cover() -> None:
    truth = spectrum(code(200_000, seed=1), scale="zscore", interval=False).power_law((1, 10)).plain
    laws = [spectrum(code(400, seed=s), scale="zscore").power_law((1, 10)) for s in range(100)]
    held = sum(law.interval[0] <= truth <= law.interval[1] for law in laws)
    assert 88 <= held <= 100


def test_in_records_of_places_and_profiles() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    x = torch.rand(100, 1, 8, 8, generator=G)
    found = spectra_at(net, x, ["1", "3"], reduce="mean", scale="zscore")
    assert {(s.scale, s.reduce) for s in found.values()} == {("zscore", "mean")}
    one = spectrum(ec.at(net, "1", reduce="mean"), x, scale="zscore")
    torch.testing.assert_close(found["1"].eigenvalues, one.eigenvalues)
    assert one.reduce == "mean"
    row = ec.profile(net, x, ["1"], scale="zscore", interval=False).rows[0]
    assert row.rankme == pytest.approx(one.rankme, rel=1e-5)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_scale() -> None:
    for refused in (lambda: spectrum(code(30), scale="z"), lambda: SpectrumMeasure(scale="z")):
        with pytest.raises(InputError, match="unknown scale"):
            refused()


@pytest.mark.parametrize(("kind", "middle", "spread"), [(torch.bfloat16, 1.0, 0.03), (torch.float16, 10.0, 0.03)])
@pytest.mark.parametrize("n", [400, 30])
def test_units_of_half_precision_that_vary_little_are_not_constant(
    kind: torch.dtype, middle: float, spread: float, n: int
) -> None:
    z = (middle + spread * torch.randn(n, 40 if n == 30 else 10, generator=torch.Generator().manual_seed(0))).to(kind)
    found = spectrum(z, scale="zscore", interval=False)
    known = np.linalg.eigvalsh(np.corrcoef(z.double().numpy().T))[::-1][: len(found.eigenvalues)]
    np.testing.assert_allclose(found.eigenvalues, known, rtol=1e-6, atol=1e-9)


def test_a_unit_of_half_precision_that_moves_by_one_digit_is_constant() -> None:
    z = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    z[:, 3] = 1 + torch.finfo(torch.bfloat16).eps * (torch.arange(300) % 2)
    assert float(spectrum(z, scale="zscore", interval=False).eigenvalues.sum()) == pytest.approx(3, rel=1e-9)
