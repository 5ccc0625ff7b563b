"""The shape of a spectrum: known for planted laws, covered by its intervals, the same at any number of images."""

import math

import pytest
import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.data import PlantedCode
from eigencode.spectra import Spectrum, spectrum
from eigencode.spectra._logs import Logs
from eigencode.spectra.shape import Shape, shape
from eigencode.spectra.windows import near, parts

N = torch.arange(1, 201, dtype=torch.float64)
BROKEN = torch.where(N <= 20, N**-0.5, 20**0.8 * N**-1.3)


def exact(eigenvalues: Tensor, window: tuple[int, int]) -> Shape:
    return Spectrum(eigenvalues, 10_000, len(eigenvalues)).shape(window)


def test_a_power_law_has_no_range_and_is_straight_everywhere() -> None:
    for alpha in (0.0, 0.7, 2.0):
        found = exact(N**-alpha, (5, 100))
        assert [float(s) for s in found.slopes] == pytest.approx([alpha] * 3)
        assert float(found.slope_range) == pytest.approx(0, abs=1e-9)
        assert float(found.window_range) == pytest.approx(0, abs=1e-9)
        assert float(found.straight) == pytest.approx(math.log10(100 / 5))
        assert math.isnan(found.slope_range.low), "without a sampling error there is no interval"


def test_two_straight_pieces() -> None:
    """A break at the geometric middle of the window, in the middle third."""
    found = exact(BROKEN, (4, 100))
    assert float(found.slopes[0]) == pytest.approx(0.5)
    assert float(found.slopes[2]) == pytest.approx(1.3)
    assert float(found.slope_range) == pytest.approx(0.8) == pytest.approx(float(found.slope_change))
    assert 0.4 < float(found.straight) < math.log10(100 / 20) + 0.2, "one piece, and what a tolerance of 0.1 adds"


def test_an_exponential_is_straight_nowhere() -> None:
    """−d log λ / d log n = n / 20: it changes by 0.2 over 4 ranks, whatever their place."""
    found = exact(torch.exp(-N / 20), (20, 100))
    assert float(found.straight) < 0.1, "a few ranks at the end of the window, where local windows end too"
    assert float(found.slope_change) > 1


def test_the_numbers_by_hand() -> None:
    """Slopes of the thirds by numpy's polyfit of every third; windows around by all pairs of their ends."""
    import numpy as np

    rng = np.random.default_rng(0)
    values = torch.from_numpy(np.sort(rng.lognormal(0, 2, 150))[::-1].copy())

    def slope(window: tuple[int, int]) -> float:
        n = np.arange(window[0], window[1] + 1)
        return float(-np.polyfit(np.log(n), np.log(values.numpy()[window[0] - 1 : window[1]]), 1)[0])

    found, window = exact(values, (8, 125)), (8, 125)
    assert parts(window, 3) == [(8, 20), (20, 50), (50, 125)]
    thirds = [slope(p) for p in parts(window, 3)]
    assert [float(s) for s in found.slopes] == pytest.approx(thirds)
    assert float(found.slope_range) == pytest.approx(max(thirds) - min(thirds))
    around = [slope(w) for w in near(window, 150)]
    assert {w[0] for w in near(window, 150)} == {4, 6, 8, 11, 16}
    assert {w[1] for w in near(window, 150)} == {62, 88, 125, 150}
    assert float(found.window_range) == pytest.approx(max(around) - min(around))


NAMES = ("slope_range", "slope_change", "window_range", "straight")


def holds(found: Shape, truth: Shape) -> dict[str, bool]:
    """Which of the intervals hold the truth."""
    held = {n: getattr(found, n).low - 1e-9 <= float(getattr(truth, n)) <= getattr(found, n).high + 1e-9 for n in NAMES}
    return held | {f"slope {i}": s.low <= float(truth.slopes[i]) <= s.high for i, s in enumerate(found.slopes)}


def shares(held: list[dict[str, bool]]) -> dict[str, float]:
    return {name: sum(h[name] for h in held) / len(held) for name in held[0]}


@pytest.mark.parametrize("law", ["straight", "broken"])
def test_intervals_of_known_errors_cover(law: str) -> None:
    """Log eigenvalues with correlated normal errors of a known covariance."""
    values = (N**-1.0 if law == "straight" else BROKEN)[:60]
    truth, g = exact(values, (3, 48)), torch.Generator().manual_seed(0)
    root = 0.03 * torch.tril(0.8 ** (torch.arange(60)[:, None] - torch.arange(60)).abs().double())
    held = []
    for _ in range(200):
        seen = values.log() + torch.randn(60, generator=g, dtype=torch.float64) @ root
        held.append(holds(shape(Logs(seen, torch.zeros(60).double(), root[None]), (3, 48), "uniform"), truth))
    found = shares(held)
    assert min(found.values()) >= 0.91, found  # three standard errors below 0.95
    assert max(v for k, v in found.items() if k.startswith("slope ") or k == "slope_change") <= 0.99, found


@pytest.mark.slow
@pytest.mark.parametrize("law", ["straight", "broken"])
def test_intervals_of_samples_cover(law: str) -> None:
    """Gaussian codes with these eigenvalues."""
    values = (N**-1.0 if law == "straight" else BROKEN)[:60]
    truth, held = exact(values, (3, 48)), []
    for seed in range(100):
        g = torch.Generator().manual_seed(seed)
        z = torch.randn(1500, 60, generator=g, dtype=torch.float64) * values.sqrt()
        held.append(holds(spectrum(z, seed=seed).shape(truth.window), truth))
    found = shares(held)
    assert min(found.values()) >= 0.88, found  # three standard errors below 0.95


def test_more_images_narrow_the_interval() -> None:
    few, many = (spectrum(PlantedCode.of(60, 1.0).sample(n, seed=1)).shape((3, 48)) for n in (1000, 16_000))
    assert many.slope_range.high < few.slope_range.high / 2


@pytest.mark.parametrize("window", [(1, 6), (50, 80)])
def test_a_window_without_a_shape(window: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"too few ranks|does not fit"):
        exact(N[:60] ** -1.0, window)


def test_printing() -> None:
    assert "slopes of the thirds 1, 1, 1" in str(Spectrum(N**-1.0, 10_000, 200).power_law((5, 100)))
    assert str(exact(N**-1.0, (5, 100))).startswith("slopes of the thirds 1, 1, 1, range")
