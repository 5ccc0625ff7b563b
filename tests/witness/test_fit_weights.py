"""The weights of a fit are 1 or 1/n in sum of squares, wherever they can be asked for: numpy's fit as the witness.

On an exact power law every weighting gives the same slope, so the spectra here bend.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

import eigencode as ec
from eigencode.spectra import Spectrum
from eigencode.spectra.alternatives import compare
from eigencode.spectra.power_law import fit_line
from eigencode.spectra.windows import bend_row, parts, placed

N = torch.arange(1, 121, dtype=torch.float64)
BENT = N**-0.7 * (-0.015 * N).exp() * (1 + 0.3 * (1.7 * N).sin())
WINDOW = (4, 90)
POWER = {"uniform": 0, "1/n": 1}


def line(values: Tensor, window: tuple[int, int], power: int) -> tuple[float, float, float]:
    """(α, intercept, R²) of the fit with weights n^−power in the sum of squares."""
    n = np.arange(window[0], window[1] + 1, dtype=float)
    x, y = np.log(n), np.log(values[window[0] - 1 : window[1]].numpy() / float(values[0]))
    weight = n**-power
    fitted = Polynomial.fit(x, y, 1, w=np.sqrt(weight)).convert()
    rest = np.average((y - fitted(x)) ** 2, weights=weight)
    whole = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    return -fitted.coef[1], fitted.coef[0], 1 - rest / whole


def exact(values: Tensor = BENT) -> Spectrum:
    return Spectrum(values, n_samples=10_000, n_units=len(values), kind="held-out")


Fit = Callable[[str], float]

SLOPES: dict[str, Fit] = {
    "fit_line": lambda w: fit_line(BENT, WINDOW, w).alpha,
    "power_law": lambda w: exact().power_law(WINDOW, w).alpha,
    "placed": lambda w: float(placed(WINDOW, w, len(BENT)) @ BENT.log()),
    "compare": lambda w: compare(exact().logs, WINDOW, w).alpha,
}


@pytest.mark.parametrize("name", SLOPES)
def test_a_slope_is_that_of_numpy_with_the_same_weights(name: str) -> None:
    for weights, power in POWER.items():
        assert SLOPES[name](weights) == pytest.approx(line(BENT, WINDOW, power)[0], rel=1e-9), weights


def test_these_spectra_tell_the_weights_apart() -> None:
    """Otherwise nothing above would mean anything: n⁰, n^−½, n^−1 and n^−2 give other slopes, intercepts and R²."""
    found = np.array([line(BENT, WINDOW, power) for power in (0, 0.5, 1, 2)])
    assert (np.abs(np.diff(found, axis=0)) > 0.005).all(), found


def test_intercept_and_r2_have_the_weights_of_the_slope() -> None:
    for weights, power in POWER.items():
        law = exact().power_law(WINDOW, weights)
        _, intercept, r2 = line(BENT, WINDOW, power)
        assert (law.intercept, law.r2) == pytest.approx((intercept, r2), rel=1e-9), weights


def test_the_map_of_windows_and_its_bends_have_their_weights() -> None:
    for weights, power in POWER.items():
        found = exact().window_map(weights, points=8)
        ends = [(int(a), int(b)) for a in found.n_min for b in found.n_max if b >= 2 * a and b - a >= 4]
        for i, j in ((0, 3), (2, 6), (4, 7)):
            window = (int(found.n_min[i]), int(found.n_max[j]))
            assert window in ends
            assert float(found.alpha[i, j]) == pytest.approx(line(BENT, window, power)[0], rel=1e-9)
            first, second = (line(BENT, half, power)[0] for half in parts(window, 2))
            assert float(found.bend[i, j]) == pytest.approx(second - first, rel=1e-9, abs=1e-12)
            row = bend_row(window, weights, len(BENT))
            assert float(row @ BENT.log()) == pytest.approx(second - first, rel=1e-9, abs=1e-12)


def test_local_slopes_are_not_weighted() -> None:
    found = exact().local_slope(width=1.2)
    for i in (3, 9, len(found.rank) - 1):
        reach = math.exp(0.6)
        rank = int(found.rank[i])
        window = (max(1, math.ceil(rank / reach)), min(len(BENT), math.floor(rank * reach)))
        assert float(found.alpha[i]) == pytest.approx(line(BENT, window, 0)[0], rel=1e-9)


def test_the_laws_compared_leave_residuals_with_the_weights() -> None:
    """The residual of the straight line, in decades: the root of the weighted mean square."""
    n = np.arange(WINDOW[0], WINDOW[1] + 1, dtype=float)
    y = np.log10(BENT[WINDOW[0] - 1 : WINDOW[1]].numpy())
    for weights, power in POWER.items():
        fitted = Polynomial.fit(np.log(n), y, 1, w=n ** (-power / 2))
        rest = np.average((y - fitted(np.log(n))) ** 2, weights=n**-power)
        found = exact().compare(WINDOW, weights)
        assert float(found.residual[found.laws.index("power law")]) == pytest.approx(math.sqrt(rest), rel=1e-9)


def test_error_and_correction_have_the_weights_of_the_slope() -> None:
    """α is linear in the logarithms: its bias and its variance are those of the same combination of them."""
    x = torch.randn(4000, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * BENT[:60].sqrt()
    spec = ec.spectrum(x)
    n = np.arange(5, 41, dtype=float)
    for weights, power in POWER.items():
        law = spec.power_law((5, 40), weights)
        w = n**-power / (n**-power).sum()
        centred = np.log(n) - np.average(np.log(n), weights=w)
        row = torch.from_numpy(-w * centred / (w * centred**2).sum())
        logs = spec.logs.window(5, 40)
        assert law.bias == pytest.approx(float(row @ logs.bias), rel=1e-9)
        assert law.standard_error == pytest.approx(float(logs.covariance(row[None]).sqrt()), rel=1e-9)
        assert law.alpha == pytest.approx(line(spec.eigenvalues, (5, 40), power)[0] - law.bias, rel=1e-9)


def test_repeats_are_fitted_with_the_weights_that_are_asked_for() -> None:
    draw = torch.Generator().manual_seed(1)
    signal = torch.randn(600, 60, dtype=torch.float64, generator=draw) * BENT[:60].sqrt()
    one, two = (signal + 0.01 * torch.randn(600, 60, dtype=torch.float64, generator=draw) for _ in range(2))
    spec = ec.cvpca(one, two)
    for weights, power in POWER.items():
        assert spec.power_law((3, 20), weights).alpha == pytest.approx(line(spec.eigenvalues, (3, 20), power)[0])
