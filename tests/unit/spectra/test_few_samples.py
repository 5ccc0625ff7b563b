"""Few stimuli, few groups, constant units: no absurd intervals, no certainty about what the data do not tell."""

import math

import pytest
import torch
from torch import Tensor

import eigencode as ec
from eigencode.spectra import Spectrum
from eigencode.spectra._law_intervals import LawFit
from eigencode.spectra._moment_laws import Fitted


def noisy(n: int, units: int, seed: int, noise: float = 0.3) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    signal = torch.randn(n, units, dtype=torch.float64, generator=g) * torch.arange(1, units + 1) ** -0.5
    return signal + noise * torch.randn(2, n, units, dtype=torch.float64, generator=g)


@pytest.mark.parametrize(("n", "seed"), [(8, 22), (12, 121), (20, 38), (20, 84)])
def test_a_variance_estimated_as_negative_is_not_multiplied(n: int, seed: int) -> None:
    """Data of which the covariance of the moments could not be inverted, or had the variance 1e15."""
    found = ec.signal_spectrum(noisy(n, 30, seed), draws=100)
    truth = float((1 / torch.arange(1.0, 31.0)).sum())
    assert found.total.low < found.total.value < found.total.high < 4 * truth
    assert bool((torch.linalg.eigvalsh(found.covariance) > -1e-12).all())


def test_few_stimuli_or_groups_have_few_moments_and_a_warning() -> None:
    many = ec.signal_spectrum(noisy(100, 20, 0), pairings=2, draws=100)
    assert len(many.moments) == 10
    assert not any("are few" in said for said in many.warnings)
    some = ec.signal_spectrum(noisy(40, 20, 0), pairings=2, draws=100)
    assert len(some.moments) == 4
    assert any("40 stimuli are few" in said for said in some.warnings)
    grouped = ec.signal_spectrum(noisy(200, 20, 0), pairings=2, draws=100, groups=torch.arange(200) % 50)
    assert len(grouped.moments) == 5
    assert any("50 groups are few" in said for said in grouped.warnings)


def test_an_interval_reaches_its_value() -> None:
    """A fit at the bound 0 of an exponent, with all its draws above it."""

    def fit(*rows: tuple[float, ...]) -> Fitted:
        theta = torch.tensor(rows, dtype=torch.float64)
        none = torch.zeros(len(rows), dtype=torch.float64)
        return Fitted(theta, none, none, none[:, None], theta)

    found = LawFit(fit((0.0, 1.0, 0.0)), fit((0.0, 0.9, 0.02), (0.0, 1.1, 1.3)), 0.5).estimates()
    assert found[0] == (1.0, 0.9, 1.1)
    assert found[2] == (0.0, 0.0, 1.3)


def test_what_one_or_two_units_do_not_tell_is_unknown() -> None:
    one = ec.signal_spectrum(noisy(200, 1, 0), pairings=2, draws=100)
    assert math.isnan(one.alpha.value)
    assert one.warnings == ("one unit has no law",)
    assert one.total.low < 1 < one.total.high
    two = ec.signal_spectrum(noisy(200, 2, 0, 0.1), pairings=2, draws=100)
    assert math.isnan(two.alpha_2.value)
    assert not math.isnan(two.alpha.value)


def test_constant_units_take_no_rank() -> None:
    x = noisy(300, 20, 0)
    found = ec.signal_spectrum(x, pairings=2, draws=100)
    more = torch.cat([x[..., :7], torch.full((2, 300, 2), 3.0, dtype=torch.float64), x[..., 7:]], 2)
    padded = ec.signal_spectrum(more, pairings=2, draws=100)
    assert padded.alpha.value == pytest.approx(found.alpha.value, rel=1e-9)
    assert padded.n_units == 20
    assert "2 constant units left out" in padded.notes


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_eigenvalues_of_another_type_can_be_fitted(dtype: torch.dtype) -> None:
    values = (1000.0 / torch.arange(1, 41)).to(dtype).sort(descending=True).values
    found = Spectrum(values, 100, 40, 0.0, "covariance", "given")
    assert found.power_law((1, 20)).alpha == pytest.approx(1.0, abs=0.05)
    for measure in (found.shape, found.compare):
        measure((1, 20))
    found.local_slope()
    found.window_map()


def test_the_shape_over_few_groups_has_no_interval_and_no_test() -> None:
    g = torch.Generator().manual_seed(0)
    common = torch.randn(40, 15, dtype=torch.float64, generator=g)
    x = (common.repeat_interleave(20, 0) + torch.randn(800, 15, dtype=torch.float64, generator=g)) * torch.arange(
        1, 16
    ) ** -0.5
    labels = torch.arange(800) // 20
    few = ec.spectrum(x, groups=labels)
    assert math.isfinite(float(few.power_law((1, 14)).standard_error))
    assert math.isnan(few.shape((1, 14)).slopes[2].low)
    assert few.compare((1, 14)).verdict.startswith("no test over")
    enough = ec.spectrum(x, groups=torch.arange(800) // 10)
    assert math.isfinite(enough.shape((1, 14)).slopes[2].low)
    assert not enough.compare((1, 14)).verdict.startswith("no test over")


def test_hardly_more_samples_than_directions_are_told() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(44, 40, dtype=torch.float64, generator=g) * torch.arange(1, 41) ** -0.5
    wide = x @ torch.randn(40, 200, dtype=torch.float64, generator=g)
    for code in (x, wide):
        assert any("44 samples for 40 eigenvalues" in said for said in ec.spectrum(code).power_law((3, 30)).warnings)


def test_stimuli_that_are_left_out_of_the_first_pairing_count() -> None:
    """Of nine stimuli eight are in a pairing: one that responds alone may be missing in the first."""
    x = torch.zeros(9, 4, dtype=torch.float64)
    x[3] = torch.arange(1.0, 5.0)
    totals = [ec.signal_spectrum(x, pairings=4, seed=seed).total.value for seed in range(12)]
    assert all(math.isfinite(total) and total > 0 for total in totals)
