"""Exponent α of λₙ ∝ n^(−α), with an interval over images."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Record

Weights = Literal["uniform", "1/n"]
Window = tuple[int, int]


@dataclass(frozen=True)
class PowerLaw(Record):
    """Fit of log(λₙ/λ₁) = intercept − α log n over the ranks of `window`, both ends included.

    `alpha` is the exponent of the population: the fit to eigenvalues freed of the bias of finite sampling, or to the
    measured ones where that bias is unknown.  `interval` belongs to `alpha`, over images; (NaN, NaN) if not available.
    `standard_error` is that of `alpha`: over images, and of the correction, whose non-Gaussian part counts as error.
    It is not the residual error of the regression, whose residuals are correlated.  `plain` is the fit to the
    measured eigenvalues, as others report it, and `bias` is `plain - alpha`, NaN where it is unknown.  `intercept`
    and `r2` belong to `alpha`; λ₁ is the measured one.  `slopes` are those of the thirds of the window, which agree if
    the spectrum is a power law, see `Spectrum.shape`; empty for windows of fewer than 7 ranks.

    `warnings` could reverse a comparison.  `notes` tell how to read α, each with a sign before its colon: "c", the
    correction exceeds one standard error or 5 % of α; "s", the shape is no power law, so α is a mean slope.
    """

    alpha: float
    interval: tuple[float, float]
    plain: float
    r2: float
    window: tuple[int, int]
    weights: str
    intercept: float
    standard_error: float
    bias: float
    n_samples: int
    n_units: int
    interval_method: str = ""
    method: str = "least squares"
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    slopes: tuple[float, ...] = ()

    def __str__(self) -> str:
        low, high = self.interval
        more = "" if math.isnan(low) else f" [{low:.4g}, {high:.4g}], plain fit {self.plain:.4g}"
        thirds = f", slopes of the thirds {', '.join(f'{s:.3g}' for s in self.slopes)}" if self.slopes else ""
        return f"alpha = {self.alpha:.4g}{more}, ranks {self.window[0]}..{self.window[1]}{thirds}"


def ranks(window: Window, available: int) -> Tensor:
    """The ranks n_min..n_max of a window, 1-based, both ends included."""
    low, high = _pair(window)
    if not 1 <= low < high - 1 or high > available:
        first = min(11, max(1, available // 20))
        last = max(available // 2, first + 2)
        raise InputError(
            "the window of the fit does not fit the spectrum",
            got=f"ranks {low}..{high} of {available} eigenvalues",
            wanted=f"1 <= n_min, n_min + 2 <= n_max <= {available}",
            fix=f"for example window=({first}, {last}) (--window {first}:{last}; in a study window = [{first}, {last}])"
            if last <= available
            else "more units, or more samples",
        )
    return torch.arange(low, high + 1, dtype=torch.float64)


def _pair(window: Window) -> Window:
    if not isinstance(window, tuple | list) or len(window) != 2:
        wanted = "two ranks (n_min, n_max), or 'auto'"
        raise InputError("not a window of the fit", got=window, wanted=wanted, fix="window=(11, 500)")
    return window[0], window[1]


def fit_weights(n: Float[Tensor, " ranks"], weights: str) -> Float[Tensor, " ranks"]:
    """Regression weights, summing to one: equal (`"uniform"`) or ∝ 1/n (`"1/n"`, Stringer et al. 2019)."""
    if weights not in ("uniform", "1/n"):
        raise InputError("unknown weights of the fit", got=weights, wanted="'uniform' or '1/n'")
    w = torch.ones_like(n) if weights == "uniform" else 1 / n
    return w / w.sum()


def slope_row(n: Float[Tensor, " ranks"], w: Float[Tensor, " ranks"]) -> Float[Tensor, " ranks"]:
    """Coefficients a of α = Σ aₙ log λₙ: weighted least squares is linear in log λ."""
    x = n.log()
    x = x - (w * x).sum()
    return -w * x / (w * x.square()).sum()


def log_window(eigenvalues: Float[Tensor, " rank"], window: Window) -> Float[Tensor, " ranks"]:
    """Logarithms log(λₙ/λ₁) over the window."""
    low, high = window
    part = eigenvalues[low - 1 : high]
    if not bool((part > 0).all()):
        bad = low + int((part <= 0).nonzero()[0])
        raise InputError(
            "an eigenvalue in the window is not positive",
            got=f"{float(eigenvalues[bad - 1]):.3g} at rank {bad}",
            wanted=f"positive eigenvalues at ranks {low}..{high}",
            fix=f"end the window before rank {bad}"
            if bad - low > 2
            else f"window=(1, {bad - 1}) (--window 1:{bad - 1})"
            if bad > 3
            else "more repeats or stimuli: too few values are positive",
        )
    return (part / eigenvalues[0].abs()).log()


@dataclass(frozen=True)
class Line:
    """Weighted regression line of log λ on log n."""

    alpha: float
    intercept: float
    r2: float
    row: Tensor


def fit_line(eigenvalues: Float[Tensor, " rank"], window: Window, weights: str) -> Line:
    """Fit log(λₙ/λ₁) on log n by weighted least squares.

    >>> line = fit_line(torch.arange(1, 101).double() ** -1.5, (11, 50), "uniform")
    >>> round(line.alpha, 6), round(line.r2, 6)
    (1.5, 1.0)
    """
    n = ranks(window, len(eigenvalues))
    return regression(n, log_window(eigenvalues, window), fit_weights(n, weights))


def regression(n: Float[Tensor, " ranks"], y: Float[Tensor, " ranks"], w: Float[Tensor, " ranks"]) -> Line:
    """Fit y on log n by least squares with weights w, which sum to one."""
    row = slope_row(n, w)
    alpha = float((row * y).sum())
    intercept = float((w * (y + alpha * n.log())).sum())
    residual = y - intercept + alpha * n.log()
    spread = (w * (y - (w * y).sum()).square()).sum()
    r2 = 1 - float((w * residual.square()).sum() / spread) if spread > 0 else math.nan
    return Line(alpha, intercept, r2, row)
