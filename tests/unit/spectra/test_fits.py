"""Fits: slopes against scipy, windows against one another, laws that are and are not power laws."""

import math
from statistics import median

import pytest
import torch
from textbook_intervals import bootstrap, delete_d_jackknife
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.data import PlantedCode
from eigencode.data.synthetic import Kind
from eigencode.spectra import Spectrum, spectrum
from eigencode.spectra.power_law import fit_line
from eigencode.spectra.windows import WindowMap, automatic, parts

N = torch.arange(1, 201, dtype=torch.float64)


def exact(values: Tensor) -> Spectrum:
    """A spectrum of any values, in any order."""
    return Spectrum(values, n_samples=10_000, n_units=len(values), kind="held-out")


def alpha_of(values: Tensor) -> float:
    return fit_line(values, (11, 40), "uniform").alpha


@pytest.fixture(scope="module")
def sampled() -> Spectrum:
    return spectrum(PlantedCode.of(100, 1.2, "gaussian").sample(2000, seed=3))


def test_robust_slopes_are_medians_over_pairs() -> None:
    """Theil and Sen: of the slopes of all pairs; Siegel: of the medians of the slopes from each point to the others."""
    values = torch.rand(41, generator=torch.Generator().manual_seed(0)).double().sort(descending=True).values
    x, y = [math.log(n) for n in range(3, 31)], values[2:30].log().tolist()
    slopes = [[(b - a) / (t - s) for t, b in zip(x, y) if t != s] for s, a in zip(x, y)]
    wanted = {"theil-sen": median(s for row in slopes for s in row), "siegel": median(map(median, slopes))}
    for method, slope in wanted.items():
        assert exact(values).power_law((3, 30), method=method).alpha == pytest.approx(-slope, rel=1e-12)


@pytest.mark.parametrize(("method", "bad"), [("theil-sen", 15), ("siegel", 25)])
def test_odd_eigenvalues_do_not_move_a_robust_slope(method: str, bad: int) -> None:
    values = N**-1.5
    values[70 - bad : 70] *= 30
    law = exact(values).power_law((11, 70), method=method)
    assert law.alpha == pytest.approx(1.5, abs=0.3)
    assert abs(exact(values).power_law((11, 70)).alpha - 1.5) > 1
    assert math.isnan(law.standard_error)


def test_a_robust_slope_has_nearly_the_interval_of_least_squares(sampled: Spectrum) -> None:
    plain, robust = (sampled.power_law((6, 50), method=m) for m in ("least squares", "theil-sen"))
    assert robust.interval[0] < 1.2 < robust.interval[1]
    assert plain.standard_error < 1.2 * robust.standard_error < 2.4 * plain.standard_error
    assert robust.alpha == pytest.approx(plain.alpha, abs=3 * plain.standard_error)


def test_draws_have_the_covariance_that_fits_use(sampled: Spectrum) -> None:
    row = torch.zeros(1, 100, dtype=torch.float64)
    row[0, 10:30] = torch.linspace(-1, 1, 20).double()
    drawn = sampled.logs.draws(4000, torch.Generator().manual_seed(0)) @ row[0]
    assert float(drawn.std()) == pytest.approx(float(sampled.logs.deviation(row)[0]), rel=0.05)
    assert float(sampled.logs.covariance(row).sqrt()) == pytest.approx(float(sampled.logs.deviation(row)[0]))
    assert float(drawn.mean()) == pytest.approx(float(row[0] @ sampled.logs.corrected), abs=0.1 * float(drawn.std()))


def test_the_map_holds_the_fits_of_its_windows(sampled: Spectrum) -> None:
    found = sampled.window_map(points=12)
    for i, low in enumerate(found.n_min.tolist()):
        for j, high in enumerate(found.n_max.tolist()):
            if high >= 2 * low and high - low >= 4:
                law = sampled.power_law((low, high))
                assert float(found.alpha[i, j]) == pytest.approx(law.alpha, rel=1e-9)
                assert float(found.plain[i, j]) == pytest.approx(law.plain, rel=1e-9)
                assert float(found.standard_error[i, j]) == pytest.approx(law.standard_error, rel=1e-9)
                first, second = (sampled.power_law(part).alpha for part in parts((low, high), 2))
                assert float(found.bend[i, j]) == pytest.approx(second - first, rel=1e-9, abs=1e-12)
            else:
                assert math.isnan(float(found.alpha[i, j]))
    low, high = found.spread((11, 50))
    assert low < sampled.power_law((11, 50)).alpha < high


def test_local_slopes() -> None:
    assert torch.allclose(exact(N**-1.3).local_slope().alpha, torch.tensor(1.3).double())
    bent = exact(torch.where(N < 30, N**-1.0, 30 * N**-2.0)).local_slope(width=0.5)
    early = bent.alpha[(bent.rank >= 4) & (bent.rank <= 20)]
    assert len(early) > 5
    assert torch.allclose(early, torch.tensor(1.0).double())
    assert float(bent.alpha[-1]) == pytest.approx(2, abs=1e-9)


def test_local_slopes_of_a_sample_hold_the_truth(sampled: Spectrum) -> None:
    found = sampled.local_slope()
    inside = (found.rank >= 4) & (found.rank <= 50)
    held = (found.low <= 1.2) & (found.high >= 1.2)
    assert float(held[inside].double().mean()) > 0.7


def test_the_window_chosen_by_rule_is_the_straight_part() -> None:
    values = torch.where(N < 10, N**-0.2, 10**1.3 * N**-1.5)
    low, high = automatic(exact(values).logs, "uniform")
    assert 7 <= low <= 14
    assert 90 <= high <= 100
    assert exact(values).power_law("auto").alpha == pytest.approx(1.5, abs=0.1)
    with pytest.raises(InputError, match="no window of this spectrum is straight"):
        exact((-0.1 * N).exp()).power_law("auto")


LAWS = {
    "power law": N**-1.5,
    "log-quadratic": N**-0.5 * (-0.2 * N.log().square()).exp(),
    "exponential cut-off": N**-1.0 * (-N / 25).exp(),
    "broken power law": torch.where(N < 30, N**-1.0, 30**1.5 * N**-2.5),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_planted_law_is_found(law: str) -> None:
    """Gaussian codes with these eigenvalues: the planted law wins, and a bent one is not called a power law."""
    g = torch.Generator().manual_seed(2)
    x = torch.randn(4000, 200, generator=g, dtype=torch.float64) * LAWS[law].sqrt()
    spec = spectrum(x)
    found = spec.compare((5, 100))
    assert found.best == law
    assert float(found.p[found.laws.index(law)]) > 1e-3
    assert found.is_power_law == (law == "power law")
    shape = [note for note in spec.power_law((5, 100)).notes if note.startswith("s:")]
    assert bool(shape) == (law != "power law")
    assert law == "power law" or law in shape[0]
    assert law in found.verdict


def test_residuals_are_those_of_least_squares_on_exact_spectra() -> None:
    for law, values in LAWS.items():
        found = exact(values).compare((5, 100))
        assert float(found.residual[found.laws.index(law)]) < 1e-3, law
        assert found.best == law or float(found.residual[0]) < 1e-9
        assert bool(torch.isnan(found.chi2).all())


def test_a_true_power_law_is_rejected_as_often_as_it_should() -> None:
    population = PlantedCode.of(60, 1.0, "gaussian")
    p = [float(spectrum(population.sample(1200, s), seed=s).compare((5, 30)).p[0]) for s in range(60)]
    rejected = sum(v < 0.05 for v in p)
    assert rejected <= 8, p
    assert max(p) > 0.5


def test_slow_intervals_agree_with_the_fast_one() -> None:
    x = PlantedCode.of(40, 1.0, "relu").sample(2000, seed=1)
    fast = spectrum(x).power_law((11, 40)).standard_error
    for slow in (delete_d_jackknife(x, alpha_of), bootstrap(x, alpha_of, 100)):
        half = (slow.high - slow.low) / 2 / 1.96
        assert half == pytest.approx(fast, rel=0.35), slow.method
        assert slow.value == pytest.approx(fit_line(spectrum(x).eigenvalues, (11, 40), "uniform").alpha)


def test_the_jackknife_leaves_groups_out() -> None:
    """By hand: two groups, so θ₍₁₎ and θ₍₂₎ are the statistics of the halves."""
    x = torch.arange(8, dtype=torch.float64)[:, None] ** 2
    found = delete_d_jackknife(x, lambda v: float(v[0]), groups=2, seed=5)
    values = [float(x[rows].var()) for rows in torch.randperm(8, generator=stream(5, "jackknife")).chunk(2)]
    expected = math.sqrt(0.5 * ((values[0] - values[1]) ** 2 / 2))
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: s.power_law((11, 50), method="ransac"), "unknown method"),
        (lambda s: s.power_law((11, 50), "1/n", "siegel"), "no weights"),
        (lambda s: s.power_law((11, 500)), "window of the fit"),
        (lambda s: s.compare((11, 500)), "window of the fit"),
        (lambda s: s.compare((11, 16)), "too few ranks"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_fits_that_cannot_be(sampled: Spectrum, call: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call(sampled)  # type: ignore[operator]


@pytest.mark.parametrize("window", [(1, 3), (2, 5), (9, 14)])
def test_a_short_window_has_a_fit_and_no_verdict(sampled: Spectrum, window: tuple[int, int]) -> None:
    assert sampled.power_law(window).warnings == ()
    assert math.isfinite(sampled.power_law(window).interval[0])


def test_what_a_fit_warns_of() -> None:
    few = spectrum(PlantedCode.of(60, 1.0, "gaussian").sample(40))
    assert "no interval" in few.power_law((5, 20)).warnings[0]
    short = spectrum(PlantedCode.of(300, 2.5, "gaussian").sample(650)).power_law((11, 150))
    assert not short.warnings
    assert [note[:2] for note in short.notes] == ["c:"]
    assert abs(short.bias) > short.standard_error
    x = PlantedCode.of(60, 1.0, "gaussian").sample(2000)
    x[:, 30:] = x[:, :30] / 3
    rounded = spectrum(x.bfloat16())
    law = rounded.power_law((5, 50))
    assert "are rounding" in law.warnings[0]
    assert math.isnan(law.interval[0])
    assert isinstance(rounded.window_map(), WindowMap)
    assert int(rounded.window_map().n_max.max()) <= 30


@pytest.mark.parametrize("alpha", [6.0, 7.5, 9.0])
def test_eigenvalues_down_to_the_rounding_of_float64_have_an_interval(alpha: float) -> None:
    spec = spectrum(PlantedCode.of(120, alpha, "gaussian").sample(2000, seed=1))
    last = len(spec.logs.values)
    assert last == 120 or float(spec.eigenvalues[last - 1] / spec.eigenvalues[0]) < 1e-13
    law = spec.power_law((5, 40))
    assert abs(law.alpha - alpha) < 4 * law.standard_error


@pytest.mark.parametrize(
    ("kind", "heavy"), [("gaussian", False), ("clustered", False), ("relu", False), ("relu^4.5", True), ("t", True)]
)
def test_heavy_tails_are_noticed(kind: Kind, heavy: bool) -> None:
    """A few samples carry the sampling error of rectified powers and elliptical codes; intervals of the first fail."""
    population = PlantedCode.of(60, 1.0, kind)
    warned = [bool(spectrum(population.sample(240, s), seed=s).power_law((5, 30)).warnings) for s in range(8)]
    assert sum(warned) >= 7 if heavy else sum(warned) <= 1
