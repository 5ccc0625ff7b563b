"""The spectrum beside scikit-learn's PCA, and beside float64 eigenvalues where the published way breaks down."""

import pytest
import torch
from sklearn.decomposition import PCA

from eigencode.spectra import spectrum


@pytest.mark.parametrize(("n", "units"), [(500, 40), (60, 200), (41, 40)])
def test_equals_the_explained_variance_of_pca(n: int, units: int, rng: torch.Generator) -> None:
    x = torch.randn(n, units, generator=rng, dtype=torch.float64) * torch.arange(1, units + 1) ** -0.7 + 5.0
    found = spectrum(x).eigenvalues
    expected = torch.from_numpy(PCA(svd_solver="full").fit(x.numpy()).explained_variance_)[: min(units, n - 1)]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_a_large_mean_and_a_tiny_spread_in_float32(rng: torch.Generator) -> None:
    """The published way (shifted by another mean, float32, `eigvals`) gives dozens of negative eigenvalues here."""
    x = 100 + 1e-2 * torch.randn(400, 200, generator=rng) * torch.arange(1, 201) ** -1.5
    shifted = x - 99.5
    published = torch.linalg.eigvals(shifted.T @ shifted / 399 - shifted.mean(0).outer(shifted.mean(0))).real
    found = spectrum(x).eigenvalues
    assert int((published < 0).sum()) > 20
    assert float(found.min()) >= 0
    expected = torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-14 * float(expected[0]))
