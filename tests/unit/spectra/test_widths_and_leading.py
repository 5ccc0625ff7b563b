"""Nested widths from one pass, and leading eigenvalues without a covariance, against the direct way."""

import pytest
import torch

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.data import PlantedCode
from eigencode.spectra import leading_spectrum, spectra_by_width, spectrum

X = PlantedCode.of(60, 1.0, "relu").sample(500, seed=1)


@pytest.mark.parametrize("order", ["first", "random"])
@pytest.mark.parametrize("n", [500, 30])
def test_widths_are_the_spectra_of_these_units(order: str, n: int) -> None:
    ranked = torch.randperm(60, generator=stream(4, "widths")) if order == "random" else torch.arange(60)
    x = X[:n] + 50
    for m, got in zip((60, 10, 25), spectra_by_width(x, widths=(60, 10, 25), order=order, seed=4), strict=True):
        want = torch.linalg.eigvalsh(torch.cov(x[:, ranked[:m]].T)).flip(0)[: min(m, n - 1)]
        torch.testing.assert_close(got.eigenvalues, want, rtol=1e-9, atol=1e-13)
        assert (got.n_units, got.n_samples) == (m, n)


def test_all_units_have_the_interval_of_the_whole_spectrum() -> None:
    (wide,) = spectra_by_width(X, widths=[60], seed=2)
    whole = spectrum(X, seed=2).power_law((5, 40))
    law = wide.power_law((5, 40))
    assert law.alpha == pytest.approx(whole.alpha, rel=1e-9)
    assert law.standard_error == pytest.approx(whole.standard_error, rel=0.1)
    assert law.alpha == pytest.approx(whole.alpha, abs=0.5 * law.standard_error)


def test_widths_from_an_iterator_and_without_interval() -> None:
    (got,) = spectra_by_width(iter(X.split(77)), widths=[20], order="first", interval=False)
    torch.testing.assert_close(got.eigenvalues, spectrum(X[:, :20], interval=False).eigenvalues)
    assert got.influence.shape[0] == 0


@pytest.mark.parametrize("widths", [[61], [1], []])
def test_widths_that_do_not_exist(widths: list[int]) -> None:
    with pytest.raises(InputError, match="no such width"):
        spectra_by_width(X, widths=widths)


@pytest.mark.parametrize("n", [500, 40])
def test_leading_eigenvalues(n: int) -> None:
    x = PlantedCode.of(300, 2.0, "gaussian").sample(n, seed=3) + 20
    want = torch.linalg.eigvalsh(torch.cov(x.T)).flip(0)[:20]
    got = leading_spectrum(lambda z: z, x, top=20, passes=6, batch_size=64)
    torch.testing.assert_close(got.eigenvalues, want, rtol=1e-6, atol=0)
    assert (got.kind, got.n_units, got.n_samples) == ("leading", 300, n)
    assert bool((leading_spectrum(x, top=20, passes=2).eigenvalues <= want * (1 + 1e-9)).all())


def test_leading_eigenvalues_are_not_taken_for_all_of_them() -> None:
    found = leading_spectrum(X, top=5)
    for measure in ("participation_ratio", "rankme"):
        with pytest.raises(InputError, match="needs all eigenvalues"):
            getattr(found, measure)
    assert found.power_law((1, 5)).alpha > 0


@pytest.mark.parametrize("wrong", [{"top": 0}, {"top": 61}, {"top": 5, "passes": 1}, {"top": 5, "oversampling": -1}])
def test_impossible_leading_spectra(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="no such leading spectrum"):
        leading_spectrum(X, **wrong)
    with pytest.raises(InputError, match="read only once"):
        leading_spectrum(iter([X]), top=3)
