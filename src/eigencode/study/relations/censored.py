"""Linear regression with normal errors and outcomes that are censored from above, for many weightings at once.

Of a logarithm this is the log-normal accelerated failure time model; of an outcome without censoring least squares.
No installed library has it at the speed that thousands of refits ask for: statsmodels has no censored regression,
scikit-survival no parametric one, and lifelines takes 0.4 seconds for one; it is a witness in the tests.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog
from scipy.special import log_ndtr

STEPS = 50
"""Most Newton steps; ten are usual."""

ENOUGH = 1e-10
"""Expected increase of the log-likelihood, per unit of weight, at which Newton's method ends."""

CONSTANT = 1e-12
"""Range of an outcome, relative to its largest number, that is rounding."""

PERFECT = 1e-16
"""Share of the variance of y that a fit leaves unexplained and that is rounding: it is not improved any further."""

MOVES = 1e-6
"""A coefficient that moves less than this along a direction of length 1 moves by rounding only."""

DEPENDENT = 1e-9
"""Smallest eigenvalue of the correlations of the columns that still counts as independent."""


@dataclass(frozen=True)
class Fits:
    """Maximum-likelihood fits y = X β + σ e, one per weighting.

    NaN where the columns are not independent, or as many as the uncensored rows, or where y does not vary.  A
    coefficient is infinite where the likelihood grows with it without end: a column that is 1 in censored rows alone.

    Attributes:
        beta: coefficients, in the unit of y per unit of the column.
        sigma: standard deviation of the errors.
        loglik: weighted log-likelihood.
    """

    beta: Float[np.ndarray, "weighting column"]
    sigma: Float[np.ndarray, " weighting"]
    loglik: Float[np.ndarray, " weighting"]


def fits(
    x: Float[np.ndarray, "row column"],
    y: Float[np.ndarray, " row"],
    censored: Bool[np.ndarray, " row"],
    weights: Float[np.ndarray, "weighting row"],
) -> Fits:
    """Fit all weightings; a censored y is a lower bound of its true value.

    ℓ = Σ w [log φ((y − xβ)/σ) − log σ], or w log Φ((xβ − y)/σ) where censored, is concave in (β/σ, 1/σ) (Olsen 1978),
    so Newton's method with halved steps finds its only maximum, where it has one (`_endless`).

    >>> x = np.stack([np.ones(4), np.arange(4.0)], 1)
    >>> fits(x, np.array([0.0, 1.0, 3.0, 4.0]), np.zeros(4, bool), np.ones((1, 4))).beta.round(6).tolist()
    [[-0.1, 1.4]]
    """
    found = Fits(*(np.full((len(weights), *shape), np.nan) for shape in ((x.shape[1],), (), ())))
    usable = _independent(x, weights) & (((weights > 0) & ~censored).sum(1) > x.shape[1]) & varies(y, weights)
    if not usable.any():
        return found
    centre, scale = float(y.mean()), float(y.std())
    beta, sigma, loglik = _newton(x, (y - centre) / scale, censored, weights[usable])
    counted = (weights[usable] * ~censored).sum(1)
    beta = scale * beta + centre * np.linalg.lstsq(x, np.ones(len(y)), rcond=None)[0]  # the columns span a constant
    found.beta[usable], found.sigma[usable] = beta + _endless(x, censored, weights[usable]), scale * sigma
    found.loglik[usable] = loglik - counted * np.log(scale)
    return found


def _endless(x: np.ndarray, censored: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where the likelihood grows with a coefficient without end: ± infinity, or NaN for both; 0 elsewhere.

    It grows along a direction of β that changes no prediction of an uncensored row, and lowers none of a censored one.
    """
    found = np.zeros((len(weights), x.shape[1]))
    scaled = x / np.maximum(np.abs(x).max(0), 1e-300)
    for i in np.flatnonzero(~_independent(x, weights * ~censored)):
        exact, bounded = scaled[(weights[i] > 0) & ~censored], scaled[(weights[i] > 0) & censored]
        _, sizes, directions = np.linalg.svd(exact)
        free = directions[int((sizes > math.sqrt(DEPENDENT) * sizes[0]).sum()) :].T
        for j, own in enumerate(free):
            rises, falls = (_furthest(sign * own, bounded @ free) > MOVES for sign in (1, -1))
            with np.errstate(invalid="ignore"):
                found[i, j] = (np.inf if rises else 0.0) - np.float64(np.inf if falls else 0.0)
    return found


def _furthest(gain: np.ndarray, rising: np.ndarray) -> float:
    """The largest gain · c with rising c ≥ 0 and |c| ≤ 1."""
    return float(-linprog(-gain, A_ub=-rising, b_ub=np.zeros(len(rising)), bounds=(-1, 1)).fun)


def varies(y: Float[np.ndarray, " row"], weights: Float[np.ndarray, "weighting row"]) -> Bool[np.ndarray, " weighting"]:
    """True for the weightings in which y is not the same number in all rows, up to rounding."""
    used = weights > 0
    highest, lowest = np.where(used, y, -np.inf).max(1), np.where(used, y, np.inf).min(1)
    found: np.ndarray = highest - lowest > CONSTANT * np.abs(y).max()
    return found


def _independent(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    gram = np.einsum("bn,ni,nj->bij", weights, x, x)
    size = np.sqrt(np.einsum("bii->bi", gram))
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.nan_to_num(gram / (size[:, :, None] * size[:, None, :]))
    independent: np.ndarray = np.linalg.eigvalsh(relative)[:, 0] > DEPENDENT
    return independent


def _newton(
    x: np.ndarray, y: np.ndarray, censored: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """β, σ and the log-likelihood; z = (x, −y), θ = (β/σ, 1/σ), u = z θ."""
    z, total = np.concatenate([x, -y[:, None]], 1), weights.sum(1)
    theta = _least_squares(x, y, weights)
    best = _loglik(z, censored, weights, theta)
    perfect = theta[:, -1] >= 1 / np.sqrt(PERFECT)
    for _ in range(STEPS):
        u = theta @ z.T
        with np.errstate(over="ignore"):
            mills = np.exp(-(u**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(u))
        slope = weights * np.where(censored, mills, -u)
        bend = weights * np.where(censored, np.maximum(mills * (mills + u), 1e-12), 1.0)
        counted = (weights * ~censored).sum(1)
        gradient, hessian = slope @ z, np.einsum("bn,ni,nj->bij", bend, z, z)
        gradient[:, -1] += counted / theta[:, -1]
        hessian[:, -1, -1] += counted / theta[:, -1] ** 2
        hessian[perfect], gradient[perfect] = np.eye(z.shape[1]), 0.0
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        gain = np.einsum("bi,bi->b", step, gradient)
        if (gain <= ENOUGH * total).all():
            break
        theta, best = _ahead(z, censored, weights, theta, best, step, gain)
    sigma = 1 / theta[:, -1]
    return theta[:, :-1] * sigma[:, None], sigma, best


def _ahead(
    z: np.ndarray,
    censored: np.ndarray,
    weights: np.ndarray,
    theta: np.ndarray,
    best: np.ndarray,
    step: np.ndarray,
    gain: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The end of every step, halved until the log-likelihood rises."""
    length = np.ones(len(theta))
    for _ in range(40):
        new = theta + length[:, None] * step
        found = np.where(new[:, -1] > 0, _loglik(z, censored, weights, new), -np.inf)
        worse = ~(found >= best + 1e-4 * length * gain - 1e-12 * np.abs(best))
        if not worse.any():
            return new, found
        length = np.where(worse, length / 2, length)
    return np.where(worse[:, None], theta, new), np.where(worse, best, found)


def _loglik(z: np.ndarray, censored: np.ndarray, weights: np.ndarray, theta: np.ndarray) -> np.ndarray:
    u, inverse = theta @ z.T, np.log(np.maximum(theta[:, -1:], 1e-300))
    each = np.where(censored, log_ndtr(u), inverse - u**2 / 2 - np.log(2 * np.pi) / 2)
    found: np.ndarray = (weights * each).sum(1)
    return found


def _least_squares(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The start: β/σ and 1/σ as if nothing were censored."""
    gram = np.einsum("bn,ni,nj->bij", weights, x, x)
    beta = np.linalg.solve(gram, ((weights * y) @ x)[..., None])[..., 0]
    variance = (weights * (y - beta @ x.T) ** 2).sum(1) / weights.sum(1)
    inverse = 1 / np.sqrt(np.maximum(variance, PERFECT))
    return np.concatenate([beta * inverse[:, None], inverse[:, None]], 1)
