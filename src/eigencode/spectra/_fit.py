"""Fit a power law to a spectrum: exponent, interval, warnings and notes."""

import math
from collections.abc import Iterator
from typing import Literal, Protocol, runtime_checkable

import torch
from scipy.special import stdtrit
from scipy.stats import siegelslopes, theilslopes
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.groups import FEWEST as FEWEST_GROUPS
from eigencode.base.seeding import stream
from eigencode.spectra._logs import Logs
from eigencode.spectra.alternatives import FEWEST, compare
from eigencode.spectra.power_law import Line, PowerLaw, Window, fit_line, fit_weights, log_window, ranks, regression
from eigencode.spectra.shape import thirds
from eigencode.spectra.windows import Z95

Method = Literal["least squares", "theil-sen", "siegel"]

DRAWS = 200
"""Bootstrap draws for the interval of a robust slope, which give its standard error to 5 %."""

FEW_SAMPLES = 1.5
"""Samples per eigenvalue below which an interval may be too narrow: of 100, 72 hold the truth at 1.1 and 86 at 1.3."""

HEAVY = 8.0
"""Kurtosis of the influence of samples on α above which a fit gets a warning.  Planted codes: Gaussian and clustered 3,
squared rectified 7, max(x, 0)^4.5 13 and elliptical t with 5 degrees of freedom 22."""

CLIFF = 8.0
"""Local exponent between two ranks, with a fall by more than a factor of two, from which on a spectrum has a cliff."""

FLAT = 0.3
"""Exponent below which a spectrum is nearly flat: seeds of the correction move α by as much as its standard error."""

SMALL_CORRECTION = 0.05
"""Corrections for finite sampling above this fraction of α, or above one standard error, are noted."""


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
    def n_groups(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def seed(self) -> int: ...


def fit(spectrum: Fittable, window: Window, weights: str, method: str = "least squares") -> PowerLaw:
    """Fit a `PowerLaw` to a spectrum over a window; see `Spectrum.power_law`."""
    measured = fit_line(spectrum.eigenvalues, window, weights)
    if method not in ("least squares", "theil-sen", "siegel"):
        raise InputError("unknown method of the fit", got=method, wanted="'least squares', 'theil-sen' or 'siegel'")
    if method != "least squares" and weights != "uniform":
        raise InputError("a robust slope has no weights", got=weights, fix='weights="uniform"')
    n = ranks(window, len(spectrum.eigenvalues))
    scale = spectrum.eigenvalues[0].abs().log()
    usable = window[1] <= len(spectrum.logs.values)
    logs = spectrum.logs.window(*window) if usable else None
    corrected = logs is not None and bool(torch.isfinite(logs.corrected).all())
    y = log_window(spectrum.eigenvalues, window)
    best = logs.corrected - scale if logs is not None and corrected else y
    if method == "least squares":
        line, plain = regression(n, best, fit_weights(n, weights)), measured.alpha
        error = float(logs.deviation(line.row[None])[0]) if logs is not None else math.nan
    else:
        plain, line = _robust(n, y, method).alpha, _robust(n, best, method)
        error = _robust_error(logs, n, method, spectrum.seed) if logs is not None and corrected else math.nan
    bias = plain - line.alpha if corrected else math.nan
    reach = float(stdtrit(spectrum.n_groups - 1, 0.975)) if spectrum.n_groups else Z95
    half = reach * error if corrected else math.nan
    how = "first-order influence of samples" if method == "least squares" else "multiplier bootstrap over samples"
    how = how.replace("samples", f"{spectrum.n_groups} groups of samples") if spectrum.n_groups else how
    return PowerLaw(
        alpha=line.alpha,
        interval=(line.alpha - half, line.alpha + half),
        plain=plain,
        r2=line.r2,
        window=window,
        weights=weights,
        intercept=line.intercept,
        standard_error=error,
        bias=bias,
        n_samples=spectrum.n_samples,
        n_units=spectrum.n_units,
        interval_method=f"95 %, {how}" if math.isfinite(half) else "none",
        method=method,
        warnings=(
            *_warnings(spectrum, window, measured.row, bias, error, usable),
            *_limits(spectrum.logs, window, line.alpha, bias, error),
        ),
        notes=tuple(_notes(spectrum.logs, window, weights, line.alpha, bias, error)),
        slopes=thirds(spectrum.logs, window, weights) if usable else (),
    )


def _robust(n: Tensor, y: Tensor, method: str) -> Line:
    """Line of a slope that a few outlying eigenvalues do not move; its median residual is zero.

    Source: Theil 1950 and Sen 1968, J. Am. Stat. Assoc. 63, eq. 2.1; Siegel 1982, Biometrika 69.
    """
    alpha, x = -_slope(n, y, method), n.log()
    intercept = float((y + alpha * x).median())
    rest = (y - intercept + alpha * x).square().sum() / (y - y.mean()).square().sum()
    return Line(alpha, intercept, 1 - float(rest), torch.empty(0))


def _slope(n: Tensor, y: Tensor, method: str) -> float:
    estimate = theilslopes if method == "theil-sen" else siegelslopes
    return float(estimate(y.numpy(), n.log().numpy()).slope)


def _robust_error(logs: Logs, n: Tensor, method: str, seed: int) -> float:
    """Standard error of a robust slope, by a bootstrap over samples; NaN without their sampling error."""
    if not logs.known:
        return math.nan
    drawn = [_slope(n, y, method) for y in logs.draws(DRAWS, stream(seed, "robust slope"))]
    return float(torch.tensor(drawn, dtype=torch.float64).std())


def _warnings(
    spectrum: Fittable, window: Window, row: Tensor, bias: float, error: float, usable: bool
) -> Iterator[str]:
    """What could reverse a comparison of α."""
    where = f"α over ranks {window[0]}..{window[1]}"
    if not usable:
        yield f"{where}: the eigenvalues beyond rank {len(spectrum.logs.values)} are rounding: no interval"
    elif spectrum.n_samples <= spectrum.n_units and not math.isfinite(bias):  # a code of low rank can be corrected
        yield (
            f"{where}: {spectrum.n_samples} samples of {spectrum.n_units} units; sampling bends the whole spectrum, "
            "and its bias cannot be corrected: no interval (ec.signal_spectrum fits a law to moments without this bias)"
        )
    elif 0 < spectrum.n_groups < FEWEST_GROUPS or (
        0 < spectrum.n_groups <= spectrum.n_units and spectrum.kind == "covariance" and not math.isfinite(bias)
    ):
        yield (
            f"{where}: {spectrum.n_groups} groups of samples for {spectrum.n_units} units are too few: no interval, "
            "and no correction of the bias of finite sampling"
        )
    elif not math.isfinite(bias) and math.isfinite(error):
        yield (
            f"{where}: no interval, since a finite sample bends this spectrum by an unknown amount, which the standard "
            "error leaves out" + "; ec.signal_spectrum (signal α) has one" * (spectrum.kind == "cvpca")
        )
    elif (
        math.isfinite(error)
        and spectrum.kind == "covariance"
        and not spectrum.n_groups
        and spectrum.n_samples < FEW_SAMPLES * len(spectrum.logs.values)
    ):
        yield (
            f"{where}: {spectrum.n_samples} samples for {len(spectrum.logs.values)} eigenvalues are few: the interval "
            "may be too narrow"
        )
    elif math.isfinite(error) and spectrum.logs.window(*window).tail(row) > HEAVY:
        yield (
            f"{where}: a few samples carry most of its sampling error (heavy tails): α may be too large, and its "
            "interval too narrow; take more samples"
        )


def _limits(logs: Logs, window: Window, alpha: float, bias: float, error: float) -> Iterator[str]:
    """Where the correction for finite sampling, if it matters, is known less well than its standard error says."""
    if not abs(bias) > error:
        return
    where, values = f"α over ranks {window[0]}..{window[1]}", logs.values[window[0] - 1 : window[1]]
    fall = values[:-1] - values[1:]
    slope = fall * (torch.arange(window[0], window[1], dtype=torch.float64) + 0.5)
    steep = ((fall > math.log(2)) & (slope > CLIFF)).nonzero().flatten()
    if len(steep):
        at = window[0] + int(steep[0])
        yield (
            f"{where}: the spectrum drops by a factor of {math.exp(float(fall[steep[0]])):.2g} after rank {at}; "
            "across this drop the correction for finite sampling is unreliable and the interval too narrow; "
            f"end the window at rank {at}"
        )
    elif abs(alpha) < FLAT:
        yield (
            f"{where}: the spectrum is nearly flat: the interval leaves out noise of the correction for finite "
            "sampling, which another seed changes; take more samples"
        )


def _notes(logs: Logs, window: Window, weights: str, alpha: float, bias: float, error: float) -> Iterator[str]:
    """How to read α, each note with its sign."""
    where = f"α over ranks {window[0]}..{window[1]}"
    if abs(bias) > error or abs(bias) > SMALL_CORRECTION * abs(alpha):
        yield f"c: {where} is corrected for finite sampling by more than one standard error or 5 %"
    if window[1] <= len(logs.values) and window[1] - window[0] + 1 >= FEWEST:
        compared = compare(logs, window, weights)
        if not compared.is_power_law and not logs.window(*window).bent:
            yield f"s: {where} is a mean slope: the shape is no power law, {compared.best} fits better"
