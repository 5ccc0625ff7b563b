"""Fit a power law to a spectrum: exponent, interval and warnings."""

import math
from typing import Literal, Protocol, runtime_checkable

import torch
from scipy.stats import siegelslopes, theilslopes
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.spectra._logs import Logs
from eigencode.spectra.alternatives import FEWEST, compare
from eigencode.spectra.power_law import Line, PowerLaw, Window, fit_line, ranks
from eigencode.spectra.windows import Z95

Method = Literal["least squares", "theil-sen", "siegel"]

DRAWS = 200
"""Bootstrap draws for the interval of a robust slope, which give its standard error to 5 %."""

SMALL_CORRECTION = 5.0
"""Corrections for finite sampling above this many standard errors get a warning."""


@runtime_checkable
class Fittable(Protocol):
    """Protocol of a spectrum that can be fitted."""

    @property
    def eigenvalues(self) -> Tensor: ...
    @property
    def logs(self) -> Logs: ...
    @property
    def n_samples(self) -> int: ...
    @property
    def n_units(self) -> int: ...
    @property
    def seed(self) -> int: ...


def fit(spectrum: Fittable, window: Window, weights: str, method: str = "least squares") -> PowerLaw:
    """Fit a `PowerLaw` to a spectrum over a window; see `Spectrum.power_law`."""
    line = fit_line(spectrum.eigenvalues, window, weights)
    logs, usable = spectrum.logs, window[1] <= len(spectrum.logs.values)
    if method == "least squares":
        alpha, bias, error = line.alpha, *_linear(spectrum, line, window, usable)
    elif method in ("theil-sen", "siegel"):
        if weights != "uniform":
            raise InputError("a robust slope has no weights", got=weights, fix='weights="uniform"')
        alpha, bias, error = _robust(logs.window(*window), window, method, spectrum.seed) if usable else (math.nan,) * 3
        line = _through(line, spectrum.eigenvalues, window, alpha)
    else:
        raise InputError("unknown method of the fit", got=method, wanted="'least squares', 'theil-sen' or 'siegel'")
    corrected, half = alpha - bias, Z95 * error
    how = "first-order influence of samples" if method == "least squares" else "multiplier bootstrap over samples"
    return PowerLaw(
        alpha=alpha,
        interval=(corrected - half, corrected + half),
        r2=line.r2,
        window=window,
        weights=weights,
        intercept=line.intercept,
        standard_error=error,
        bias=bias,
        alpha_corrected=corrected,
        n_samples=spectrum.n_samples,
        n_units=spectrum.n_units,
        interval_method=f"95 %, {how}" if math.isfinite(corrected + half) else "none",
        method=method,
        warnings=tuple(_warnings(spectrum, window, weights, bias, error, usable)),
    )


def _linear(spectrum: Fittable, line: Line, window: Window, usable: bool) -> tuple[float, float]:
    """(bias, standard error) of the least-squares α, which is linear in log λ."""
    if not usable:
        return math.nan, math.nan
    logs = spectrum.logs.window(*window)
    return float(line.row @ logs.bias), float(logs.deviation(line.row[None])[0])


def _robust(logs: Logs, window: Window, method: str, seed: int) -> tuple[float, float, float]:
    """(α, bias, standard error) of a robust slope, insensitive to a few outlying eigenvalues.

    Source: Theil 1950 and Sen 1968, J. Am. Stat. Assoc. 63, eq. 2.1; Siegel 1982, Biometrika 69.
    """
    estimate = theilslopes if method == "theil-sen" else siegelslopes
    x = ranks(window, window[1]).log().numpy()

    def slope(y: Tensor) -> float:
        return float(estimate(y.numpy(), x).slope)

    alpha, corrected = -slope(logs.values), -slope(logs.corrected)
    if not logs.known or not math.isfinite(corrected):
        return alpha, math.nan, math.nan
    drawn = torch.tensor([slope(y) for y in logs.draws(DRAWS, stream(seed, "robust slope"))], dtype=torch.float64)
    return alpha, alpha - corrected, float(drawn.std())


def _through(line: Line, eigenvalues: Tensor, window: Window, alpha: float) -> Line:
    """Line of slope −α with median residual zero, and its R²."""
    n = torch.arange(window[0], window[1] + 1, dtype=torch.float64).log()
    y = (eigenvalues[window[0] - 1 : window[1]] / eigenvalues[0].abs()).log()
    intercept = float((y + alpha * n).median())
    rest = (y - intercept + alpha * n).square().sum() / (y - y.mean()).square().sum()
    return Line(alpha, intercept, 1 - float(rest), line.row)


def _warnings(spectrum: Fittable, window: Window, weights: str, bias: float, error: float, usable: bool) -> list[str]:
    where = f"α over ranks {window[0]}..{window[1]}"
    if not usable:
        return [f"{where}: the eigenvalues beyond rank {len(spectrum.logs.values)} are rounding: no interval"]
    found = []
    if spectrum.n_samples <= spectrum.n_units:
        found.append(
            f"{where}: {spectrum.n_samples} samples of {spectrum.n_units} units; sampling bends the whole spectrum, "
            "and its bias cannot be corrected: no interval"
        )
    elif not math.isfinite(bias) and math.isfinite(error):
        found.append(
            f"{where}: no interval: how far a finite sample bends this spectrum is not known; the standard error "
            "leaves that out"
        )
    elif math.isfinite(error) and abs(bias) > SMALL_CORRECTION * error:
        found.append(
            f"{where}: the correction for finite sampling is more than {SMALL_CORRECTION:.0f} standard errors; take "
            "more samples"
        )
    if window[1] - window[0] + 1 >= FEWEST:
        compared = compare(spectrum.logs, window, weights)
        if not compared.is_power_law:
            found.append(f"{where}: not a power law, {compared.best} fits better")
    return found
