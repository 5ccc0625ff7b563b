"""cvPCA: unbiased signal variances, negative values, no harm from a shared gain, and the two routes agree."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.record import Record
from eigencode.base.seeding import stream
from eigencode.data import PlantedCode
from eigencode.measures import SpectrumMeasure
from eigencode.spectra import (
    cvpca,
    heldout_spectrum,
    injected_noise_spectrum,
    shuffled_control,
    signal_spectrum,
    spectrum,
)
from eigencode.spectra._repeats import split


def signal(n: int, units: int, alpha: float, rng: torch.Generator) -> torch.Tensor:
    """Responses whose *sample* covariance has eigenvalues n^-alpha exactly."""
    frame = torch.linalg.qr(torch.randn(n, units + 1, generator=rng, dtype=torch.float64) + 1).Q
    frame = torch.linalg.qr(torch.cat([torch.ones(n, 1, dtype=torch.float64), frame], 1)).Q[:, 1 : units + 1]
    rotation = torch.linalg.qr(torch.randn(units, units, generator=rng, dtype=torch.float64)).Q
    scale = torch.arange(1, units + 1, dtype=torch.float64) ** (-alpha / 2)
    return (frame * scale * (n - 1) ** 0.5) @ rotation


def noise(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return torch.randn(x.shape, generator=rng, dtype=x.dtype)


def by_loop(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """The definition, direction by direction."""
    a, b = one - one.mean(0), two - two.mean(0)
    vectors = torch.linalg.svd(a, full_matrices=False).Vh
    n = len(a)
    return torch.stack([sum((a[i] @ v) * (b[i] @ v) for i in range(n)) / (n - 1) for v in vectors])  # type: ignore


@pytest.mark.parametrize(("n", "units"), [(30, 8), (12, 20), (20, 20)])
def test_equals_the_definition(n: int, units: int, rng: torch.Generator) -> None:
    one = torch.randn(n, units, generator=rng, dtype=torch.float64) + 1e3
    two = one + noise(one, rng)
    got = cvpca(one, two, swaps=0).eigenvalues
    torch.testing.assert_close(got, by_loop(one, two)[: len(got)], rtol=1e-8, atol=1e-10)
    assert len(got) == min(units, n - 1)


def test_swaps_exchange_stimuli_between_repeats(rng: torch.Generator) -> None:
    """Both routes do the same exchanges, and the average changes nothing for equal repeats."""
    x = torch.randn(25, 10, generator=rng, dtype=torch.float64)
    with pytest.warns(EigencodeWarning, match="the two repeats are identical"):
        torch.testing.assert_close(cvpca(x, x).eigenvalues, spectrum(x).eigenvalues)
    wide = torch.cat([x, torch.zeros(25, 30, dtype=torch.float64)], 1)  # the same numbers by the Gram route
    y = x + noise(x, rng)
    wide_y = torch.cat([y, torch.zeros(25, 30, dtype=torch.float64)], 1)
    torch.testing.assert_close(cvpca(wide, wide_y).eigenvalues[:10], cvpca(x, y).eigenvalues)
    assert bool((cvpca(x, y).eigenvalues != cvpca(x, y, seed=1).eigenvalues).any())


@pytest.mark.parametrize("snr", [0.1, 1.0, 10.0])
def test_total_signal_variance_is_unbiased(snr: float, rng: torch.Generator) -> None:
    """Sum over all directions: expectation is the signal variance, whatever the noise."""
    x = signal(400, 30, 1.0, rng)
    sigma = (x.var(0).mean() / snr) ** 0.5
    draws = [cvpca(x + sigma * noise(x, rng), x + sigma * noise(x, rng), swaps=2).eigenvalues.sum() for _ in range(40)]
    error = torch.stack(draws) - x.var(0).sum()
    assert abs(float(error.mean())) < 3.5 * float(error.std()) / 40**0.5


@pytest.mark.parametrize("snr", [0.1, 1.0, 10.0])
def test_signal_variances_are_recovered_one_by_one(snr: float, rng: torch.Generator) -> None:
    """With strong separation of directions each λ̂ is unbiased, where the plain spectrum holds the noise as well."""
    scale = torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)
    x = signal(20000, 4, 0.0, rng) * 1.0
    u, s, vh = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    x = (u * s * scale) @ vh
    sigma = float((scale.square().mean() / snr) ** 0.5)
    one, two = x + sigma * noise(x, rng), x + sigma * noise(x, rng)
    got = cvpca(one, two).eigenvalues
    plain = spectrum(one).eigenvalues
    standard = sigma * (2 * scale.square() + sigma**2).sqrt() / 20000**0.5
    assert bool(((got - scale.square()).abs() < 4 * standard + 0.01).all())
    assert float((plain - scale.square()).mean()) > 0.8 * sigma**2


@pytest.mark.parametrize("gain", [0.02, 0.05, 0.1])
def test_a_shared_gain_does_not_move_the_slope(gain: float, rng: torch.Generator) -> None:
    """Every presentation scales all units, whose means are large, by a common factor: one more noisy direction, so
    the signal moves down by at most one rank and the slope by about 1/n_min."""
    x = signal(1000, 200, 1.0, rng)
    rates = x + 5 * torch.rand(200, generator=rng, dtype=torch.float64)

    def noisy() -> torch.Tensor:
        return rates * (1 + gain * torch.randn(1000, 1, generator=rng, dtype=torch.float64))

    law = cvpca(noisy(), noisy()).power_law((11, 100), "1/n")
    assert abs(law.alpha - 1.0) < 0.05


def test_all_repeats_count(rng: torch.Generator) -> None:
    """Ten noisy repeats of α = 1: the first two have noisy directions and a flat slope, nine of them much less so."""
    x = signal(400, 60, 1.0, rng)
    repeats = x + 0.4 * noise(x.expand(10, -1, -1), rng)
    two, three, every = cvpca(repeats[0], repeats[1]), cvpca(repeats[:3]), cvpca(repeats)
    errors = [abs(found.power_law((2, 15)).alpha - 1) for found in (two, three, every)]
    assert errors[1] < 0.8 * errors[0]
    assert errors[2] < 0.3 * errors[0]
    torch.testing.assert_close(float(every.eigenvalues.sum()), float(x.var(0).sum()), rtol=0.1, atol=0)
    assert every.source == "10 repeats, 400 x 60"


@pytest.mark.parametrize("units", [6, 40])
def test_repeats_in_one_array_are_exchanged_or_split(units: int, rng: torch.Generator) -> None:
    x = torch.randn(12, units, generator=rng, dtype=torch.float64) + 10
    x = x + 0.1 * torch.randn(3, 12, units, generator=rng, dtype=torch.float64)
    got, expected = cvpca(x[:2], swaps=3, seed=3), cvpca(x[0], x[1], swaps=3, seed=3)
    torch.testing.assert_close(got.eigenvalues, expected.eigenvalues, rtol=0, atol=0)
    every = torch.ones(3, 12, dtype=torch.bool)
    one, two = split(x, every, torch.arange(12), stream(3, "cvpca", "held out"), parts=10)
    got = cvpca(x, swaps=1, seed=3)
    torch.testing.assert_close(got.eigenvalues, by_loop(one, two)[: len(got.eigenvalues)], rtol=1e-7, atol=1e-9)


def test_directions_come_from_most_repeats_whatever_the_number_of_rounds(rng: torch.Generator) -> None:
    """The mean of three repeats with two of them in the directions is the same quantity for one round and for ten."""
    x = signal(300, 40, 1.0, rng)
    repeats = x + 0.6 * noise(x.expand(3, -1, -1), rng)
    leading = [float(cvpca(repeats, swaps=k).eigenvalues[:5].sum()) for k in (1, 2, 10)]
    assert max(leading) / min(leading) < 1.05
    other = float(cvpca(repeats[:2], swaps=10).eigenvalues[:5].sum())
    assert min(leading) > 1.02 * other


@pytest.mark.parametrize("function", [cvpca, signal_spectrum])
def test_copies_among_the_repeats_are_told(function: Callable[[Tensor], object], rng: torch.Generator) -> None:
    """A file padded with the last presentation: noise in it counts as signal.  Counts may be equal by chance."""
    x = signal(200, 6, 1.0, rng) + 0.5 * torch.randn(3, 200, 6, generator=rng, dtype=torch.float64)
    padded = x.clone()
    padded[2, ::4] = padded[1, ::4]
    with pytest.warns(EigencodeWarning, match="50 of 200 stimuli have copies of a presentation"):
        function(padded)
    padded[2, ::4] = torch.nan
    function(padded)
    function(torch.poisson((x + 1).clamp_min(0), generator=rng))


@pytest.mark.parametrize("function", [cvpca, signal_spectrum])
@pytest.mark.parametrize("number", [0.0, -1.0])
def test_repeats_filled_up_with_a_number_are_told(
    function: Callable[[Tensor], object], number: float, rng: torch.Generator
) -> None:
    x = signal(200, 6, 1.0, rng) + 0.5 * torch.randn(4, 200, 6, generator=rng, dtype=torch.float64)
    padded = x.clone()
    padded[3, ::4], padded[2, ::8] = number, number
    with pytest.warns(
        EigencodeWarning, match="the last repeats of 50 of 200 stimuli have the same number in all units"
    ):
        function(padded)
    silent = x.where(torch.rand(4, 200, 1, generator=rng, dtype=torch.float64) > 0.2, 0.0)
    function(silent)  # at any place among the repeats


def test_bending_by_a_finite_sample_is_no_shape(rng: torch.Generator) -> None:
    """The bias of cvPCA is unknown, so its spectrum cannot be tested, and nothing is said of its shape."""
    law = PlantedCode.of(200, 1.0)
    found = cvpca(law.repeats(600, 2, 0.5, seed=1)).power_law((11, 100), "1/n")
    assert abs(found.slopes[0] - found.slopes[2]) > 0.1 * found.alpha
    assert not found.notes
    assert math.isnan(SpectrumMeasure(window=(11, 100))._test(cvpca(law.repeats(600, 2, 0.5, seed=1))).value)


def test_the_control_of_all_repeats_is_at_chance(rng: torch.Generator) -> None:
    x = signal(400, 5, 1.0, rng) + 0.3 * torch.randn(4, 400, 5, generator=rng, dtype=torch.float64)
    x[1:, 0] = torch.nan  # shown once
    assert float(shuffled_control(x).eigenvalues.abs().max()) < 0.3 * float(cvpca(x).eigenvalues[0])


def test_what_are_no_repeats_is_refused(unchecked: None, rng: torch.Generator) -> None:
    x = torch.randn(9, 4, generator=rng) + 0.1 * torch.randn(3, 9, 4, generator=rng)
    for wrong in ({"repeat_1": x[0]}, {"repeat_1": x, "swaps": 0}):
        with pytest.raises(InputError, match="cannot be held out"):
            cvpca(**wrong)
    x[:, 0], x[1, 3] = torch.nan, torch.nan
    assert cvpca(x).n_samples == 8
    assert cvpca(x[:, :4]).n_samples == 3


@pytest.mark.parametrize("function", [cvpca, signal_spectrum])
def test_a_repeat_without_presentations_is_left_out(function: Callable[[Tensor], Record], rng: torch.Generator) -> None:
    x = signal(200, 6, 1.0, rng) + 0.5 * torch.randn(3, 200, 6, generator=rng, dtype=torch.float64)
    empty = torch.cat([x[:1], torch.full_like(x[:1], torch.nan), x[1:]])
    got, expected = function(empty).tensors(), function(x).tensors()
    assert all(torch.equal(got[name].nan_to_num(), expected[name].nan_to_num()) for name in expected)


def test_drift_is_told_beside_the_laws_of_the_moments(rng: torch.Generator) -> None:
    x = signal(300, 50, 1.0, rng) + 0.3 * torch.randn(4, 300, 50, generator=rng, dtype=torch.float64)
    offset = 0.4 * torch.randn(4, 1, 50, generator=rng, dtype=torch.float64)
    found, moved = signal_spectrum(x), signal_spectrum(x + offset)
    assert found.warnings == ()
    assert any("the mean response changes from repeat to repeat" in said for said in moved.warnings)
    centred = x + offset - (x + offset).mean(1, keepdim=True)
    assert signal_spectrum(centred).warnings == ()
    assert abs(signal_spectrum(centred).alpha.value - found.alpha.value) < 0.05


def test_means_that_differ_between_repeats_are_told_with_their_effect(rng: torch.Generator) -> None:
    x = signal(400, 5, 1.0, rng) + 0.05 * torch.randn(4, 400, 5, generator=rng, dtype=torch.float64)
    moved = x + torch.tensor([0.0, 1.0, 0.5, -1.0])[:, None, None]
    with pytest.warns(EigencodeWarning, match="the mean response changes from repeat to repeat") as told:
        found = cvpca(moved, swaps=60)
    (said,) = (float(str(w.message).split("variance by ")[1].split(",")[0]) for w in told)
    effect = float(found.eigenvalues.sum() - cvpca(x, swaps=60).eigenvalues.sum())
    assert effect == pytest.approx(said, rel=0.1)
    moved[3, 300:] = torch.nan
    with pytest.warns(EigencodeWarning, match="the mean response changes from repeat to repeat"):
        cvpca(moved)
    x[3, :390] = torch.nan
    cvpca(x)  # a repeat of few stimuli has another mean by chance
    with pytest.warns(EigencodeWarning, match="the repeats are identical"):
        cvpca(x[:1].expand(3, -1, -1).clone())


def test_pure_noise_scatters_around_zero_and_stays_negative(rng: torch.Generator) -> None:
    one, two = (torch.randn(300, 50, generator=rng, dtype=torch.float64) for _ in range(2))
    found = cvpca(one, two)
    values = found.eigenvalues
    assert bool((values < 0).any())
    assert bool((values > 0).any())
    assert abs(float(values.mean())) < 4 * (50 / 300) ** 0.5 / 50
    with pytest.raises(InputError, match="not positive"):
        found.power_law((1, 50))


def test_shuffled_stimuli_leave_nothing(rng: torch.Generator) -> None:
    x = signal(500, 20, 1.0, rng)
    assert float(shuffled_control(x, x).eigenvalues.sum().abs()) < 0.1 * float(x.var(0).sum())


def test_held_out_is_the_variance_along_training_directions(rng: torch.Generator) -> None:
    train, test = (torch.randn(60, 7, generator=rng, dtype=torch.float64) + 50 for _ in range(2))
    got = heldout_spectrum(lambda z: z, train, test)
    vectors = torch.linalg.eigh(torch.cov(train.T)).eigenvectors.flip(1)
    torch.testing.assert_close(got.eigenvalues, (test @ vectors).var(0))
    torch.testing.assert_close(got.eigenvalues.sum(), test.var(0).sum())
    assert (got.kind, got.n_samples) == ("held-out", 60)


def test_injected_noise_recovers_the_noiseless_spectrum(rng: torch.Generator) -> None:
    x = torch.randn(4000, 6, generator=rng) * torch.arange(1, 7) ** -0.5
    got = injected_noise_spectrum(lambda z: z, x, 0.5)
    torch.testing.assert_close(got.eigenvalues, spectrum(x).eigenvalues, rtol=0.1, atol=0.02)
    assert "0.5" in got.source


def test_wrong_repeats_are_refused(unchecked: None, rng: torch.Generator) -> None:
    x = torch.randn(9, 4, generator=rng)
    for one, two in ((x, x[:8]), (x[:2], x[:2]), (x, x.clone().fill_(torch.nan))):
        with pytest.raises(InputError):
            cvpca(one, two)


def test_repeats_that_are_no_repeats_are_refused_or_told(unchecked: None, rng: torch.Generator) -> None:
    x, y = (torch.randn(40, 5, generator=rng, dtype=torch.float64) for _ in range(2))
    still = torch.randn(1, 5, generator=rng, dtype=torch.float64).expand(40, 5)
    for one, two in ((still, still + 1), (x, still), (still * 0, x)):
        with pytest.raises(InputError, match="is the same for all stimuli"):
            cvpca(one, two)
    with pytest.raises(InputError, match="complex"):
        cvpca(x + 1j, y + 1j)
    for one, two in ((x, x.clone()), (x, x.float()), (x.numpy(), x.numpy().copy())):
        with pytest.warns(EigencodeWarning, match="the two repeats are identical"):
            cvpca(one, two)
    with pytest.warns(EigencodeWarning, match="the mean response changes from repeat to repeat"):
        cvpca(x, x + 0.1 * y + 3, swaps=4)
    with pytest.warns(EigencodeWarning, match="share no variance"):
        cvpca(x, -x, swaps=0)
    cvpca(x, x + 0.1 * y)
