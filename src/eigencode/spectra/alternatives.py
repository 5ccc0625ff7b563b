"""Test of the power law against its sampling error, and comparison with other laws."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.stats import chi2
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.spectra._logs import Logs
from eigencode.spectra.power_law import Window, fit_weights, ranks
from eigencode.spectra.windows import STRAIGHT, parts, placed

CONTRASTS = 8
"""Number of smooth contrasts of log rank used to compare laws."""

FEWEST = 7
"""Smallest number of ranks for the comparison of four laws."""

LAWS = ("power law", "log-quadratic", "exponential cut-off", "broken power law")


@dataclass(frozen=True)
class Comparison(Record):
    """Fits of four laws to the same window, in the order of `laws`.

    power law            log λ = a − α x,                        x = log n
    log-quadratic        log λ = a − α x − β x²
    exponential cut-off  log λ = a − α x − n / n_c,              n_c > 0
    broken power law     two slopes, continuous at the rank `break_rank`

    `chi2`: squared distance of law and measurement in units of the sampling error over images, over 8 smooth
    contrasts (orthonormal polynomials of log rank up to degree 7), minimised over the parameters of the law; `p`:
    probability of a larger chi2 under the law; `aic`: chi2 + 2 × parameters, smaller is better.  All NaN without an
    interval (see `spectrum`).  `residual`: root mean square of log₁₀ λ around the law, least squares.
    `slopes`: of the first and the second half of the window, halves of equal length in log rank.
    """

    laws: tuple[str, ...]
    chi2: Float[Tensor, " law"]
    p: Float[Tensor, " law"]
    aic: Float[Tensor, " law"]
    residual: Float[Tensor, " law"]
    break_rank: int
    slopes: tuple[float, float]
    alpha: float
    window: tuple[int, int]

    @property
    def best(self) -> str:
        """The law with the smallest AIC, or the smallest residual without a sampling error."""
        score = self.aic if bool(torch.isfinite(self.aic).all()) else self.residual
        return self.laws[int(score.argmin())]

    @property
    def is_power_law(self) -> bool:
        """False if the power law is rejected (p < 0.01) and the slopes of the halves differ by more than α / 10."""
        return not (self.rejected and self.bend > STRAIGHT)

    @property
    def rejected(self) -> bool:
        """True if p < 0.01, or if no sampling error is available."""
        p = float(self.p[0])
        return math.isnan(p) or p < 0.01

    @property
    def bend(self) -> float:
        """Relative difference of the slopes of the halves, |difference| / |α|."""
        return abs(self.slopes[1] - self.slopes[0]) / max(abs(self.alpha), 1e-12)

    @property
    def verdict(self) -> str:
        """Result of the test in one sentence."""
        where = f"ranks {self.window[0]}..{self.window[1]}"
        halves = f"slope {self.slopes[0]:.3g} in the first half of the window and {self.slopes[1]:.3g} in the second"
        if math.isnan(float(self.p[0])):
            return f"no test over {where}, whose sampling error is not known: {halves}; {self.best} fits best"
        if not self.rejected:
            return f"consistent with a power law over {where}"
        if self.is_power_law:
            return f"close to a power law over {where}: {halves}"
        return f"not a power law over {where}: {halves}; {self.best} fits best"


def compare(logs: Logs, window: Window, weights: str) -> Comparison:
    """Fit all laws to the log eigenvalues of the window, corrected for sampling bias where that is known.

    Raises:
        InputError: a window of fewer than 7 ranks, or beyond the ranks above the rounding floor.
    """
    if len(ranks(window, len(logs.values))) < FEWEST:
        raise InputError(
            "too few ranks to tell laws apart", got=f"ranks {window[0]}..{window[1]}", wanted=f">= {FEWEST}"
        )
    logs = logs.testable
    part = logs.window(*window)
    n = torch.arange(window[0], window[1] + 1, dtype=torch.float64)
    known = part.known and bool(torch.isfinite(part.corrected).all())
    y = part.corrected if known else part.values
    w = fit_weights(n, weights)
    rows = _contrasts(n, w)
    covariance = part.covariance(rows) if known else None
    designs = {"power law": [_line(n)], "log-quadratic": [_quadratic(n)]}
    designs |= {"exponential cut-off": [_cutoff(n)], "broken power law": [_broken(n, b) for b in _breaks(window)]}
    statistics, residuals, breaks = [], [], math.nan
    for law, several in designs.items():
        found = [_fit(rows, covariance, y, w, design, law) for design in several]
        best = min(range(len(found)), key=lambda i: found[i][0] if known else found[i][1])
        statistics.append(found[best][0])
        residuals.append(found[best][1])
        if law == "broken power law":
            breaks = _breaks(window)[best]
    counts = torch.tensor([2.0, 3.0, 3.0, 4.0], dtype=torch.float64)
    distance = torch.tensor(statistics, dtype=torch.float64)
    total = len(logs.values)
    whole = torch.zeros(total, dtype=torch.float64)
    whole[window[0] - 1 : window[1]] = y
    first, second = (float(placed(half, weights, total) @ whole) for half in parts(window, 2))
    return Comparison(
        laws=LAWS,
        chi2=distance,
        p=torch.from_numpy(chi2.sf(distance.numpy(), (len(rows) - counts).numpy())),
        aic=distance + 2 * counts,
        residual=torch.tensor(residuals, dtype=torch.float64) / math.log(10),
        break_rank=int(breaks),
        slopes=(first, second),
        alpha=float(placed(window, weights, total) @ whole),
        window=window,
    )


def _contrasts(n: Tensor, w: Tensor) -> Float[Tensor, "contrasts ranks"]:
    """Orthonormal polynomials of log rank under the weights of the fit, one per row; fewer in short windows."""
    x = n.log()
    x = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    degree = min(CONTRASTS, len(n) - 1)
    powers = torch.stack([torch.cos(k * x.acos()) for k in range(degree)], 1)
    q = torch.linalg.qr(w.sqrt()[:, None] * powers).Q
    rows: Tensor = (q * w.sqrt()[:, None]).T
    return rows


def _fit(
    rows: Tensor, covariance: Tensor | None, y: Tensor, w: Tensor, design: Tensor, law: str
) -> tuple[float, float]:
    """(chi2, residual) of a law: generalised least squares of the contrasts, weighted least squares of log λ."""
    distance = math.nan
    if covariance is not None:
        distance = _gls_chi2(rows @ design, rows @ y, covariance, law)
    design = _allowed(design, design.T @ (w[:, None] * design), design.T @ (w * y), law)
    coefficients = torch.linalg.lstsq(w.sqrt()[:, None] * design, w.sqrt() * y).solution
    return distance, float((w * (y - design @ coefficients).square()).sum().sqrt())


def _gls_chi2(design: Tensor, target: Tensor, covariance: Tensor, law: str) -> float:
    """Smallest chi2 by generalised least squares."""
    factor = torch.linalg.cholesky(covariance + 1e-12 * covariance.diagonal().mean() * torch.eye(len(covariance)))
    white = torch.linalg.solve_triangular(factor, design, upper=False)
    goal = torch.linalg.solve_triangular(factor, target[:, None], upper=False)[:, 0]
    white = _allowed(white, white.T @ white, white.T @ goal, law)
    return float((goal - white @ torch.linalg.lstsq(white, goal).solution).square().sum())


def _allowed(design: Tensor, normal: Tensor, right: Tensor, law: str) -> Tensor:
    """Drop the cut-off term from the design if its fit has n_c < 0."""
    if law == "exponential cut-off" and float(torch.linalg.solve(normal, right)[2]) > 0:
        return design[:, :2]
    return design


def _line(n: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(n), n.log()], 1)


def _quadratic(n: Tensor) -> Tensor:
    x = n.log() - n.log().mean()
    return torch.stack([torch.ones_like(n), x, x.square()], 1)


def _cutoff(n: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(n), n.log(), n / n[-1]], 1)


def _broken(n: Tensor, rank: int) -> Tensor:
    x = n.log()
    return torch.stack([torch.ones_like(n), x, (x - math.log(rank)).clamp_min(0)], 1)


def _breaks(window: Window) -> list[int]:
    """Candidate break ranks: the inner 80 % of the window in log rank."""
    low, high = (math.log(n) for n in window)
    return sorted(
        {round(math.exp(low + s * (high - low))) for s in torch.linspace(0.1, 0.9, 33, dtype=torch.float32).tolist()}
    )
