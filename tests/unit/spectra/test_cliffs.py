"""Spectra that are no smooth curve: a step must not spoil the correction of the ranks before it."""

import pytest
import torch
from torch import Tensor

from eigencode.spectra._population import _misfit
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import spectrum


def stepped(samples: int, units: int, seed: int, step: float, rank: int) -> Tensor:
    """Gaussian responses with λₙ = 1/n, times step² from `rank` + 1 on."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, units, dtype=torch.float64, generator=generator)
    z *= torch.arange(1, units + 1, dtype=torch.float64) ** -0.5
    z[:, rank:] *= step
    return z


@pytest.mark.parametrize("step", [0.5, 0.1, 1e-3])
def test_the_correction_before_a_cliff_is_that_without_one(step: float) -> None:
    plain: list[PowerLaw] = [spectrum(stepped(600, 60, s, 1.0, 50)).power_law((5, 40)) for s in range(6)]
    cliff = [spectrum(stepped(600, 60, s, step, 50)).power_law((5, 40)) for s in range(6)]
    for one, other in zip(plain, cliff, strict=True):
        assert abs(one.alpha - other.alpha) < one.standard_error
        assert 0.7 < other.standard_error / one.standard_error < 1.6
    mean = sum(law.alpha for law in cliff) / 6
    assert abs(mean - 1) < 0.03 < sum(law.plain for law in cliff) / 6 - 1


def test_the_interval_before_a_cliff_holds_the_truth() -> None:
    held = 0
    for seed in range(20):
        low, high = spectrum(stepped(300, 60, seed, 0.1, 50)).power_law((5, 40)).interval
        held += low < 1 < high
    assert held >= 17


def test_few_samples_per_unit_need_the_iteration() -> None:
    laws = [spectrum(stepped(250, 100, s, 0.1, 75)).power_law((8, 50)) for s in range(8)]
    plain, corrected = (sum(values) / 8 for values in zip(*((w.plain, w.alpha) for w in laws), strict=True))
    assert plain - 1 > 0.1
    assert abs(corrected - 1) < 0.15 * (plain - 1)


def test_smooth_spectra_fit_their_curve_and_stepped_ones_do_not() -> None:
    noise = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * (2 / 1000) ** 0.5
    assert not _misfit(noise, 1000)
    assert _misfit(2 * noise, 1000)
    one_rank = 0.1 * noise
    one_rank[50] = 9 * (2 / 1000) ** 0.5
    assert _misfit(one_rank, 1000)


def _said(spectrum_: Tensor, samples: int, window: tuple[int, int]) -> list[str]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(samples, len(spectrum_), dtype=torch.float64, generator=draw) * spectrum_.sqrt()
    return [w.partition(": ")[2] for w in spectrum(x).power_law(window).warnings]


RANK = torch.arange(1, 61, dtype=torch.float64)
FLOOR = torch.where(RANK <= 10, 1 / RANK, 0.0) + 0.01
"""A code of ten dimensions and noise: intervals over rank 10 hold the truth in few of a hundred."""


def test_a_cliff_in_the_window_is_told() -> None:
    for planted, samples in ((FLOOR, 3000), (torch.where(RANK <= 10, 1.0, 0.2) / RANK, 300)):
        (said,) = _said(planted, samples, (1, 60))
        assert "after rank 10" in said
        assert not [w for w in _said(planted, samples, (1, 10)) if "drops" in w]  # the end that it asks for
    assert not _said(RANK**-4.0, 600, (1, 60))


def test_a_flat_spectrum_is_told() -> None:
    """Another seed of the correction moves its α by about a standard error, more with few samples."""
    (said,) = _said(torch.ones(60), 600, (1, 60))
    assert "nearly flat" in said
    assert "nearly flat" in _said(FLOOR, 3000, (12, 60))[0]
    assert not _said(RANK**-0.5, 600, (1, 60))
