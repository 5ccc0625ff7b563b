"""Fits of power laws to the logarithms of spectral moments."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 0.01
"""Variance added to every standardised log moment: ten moments are nearly collinear, and the directions that their
estimated covariance shows as exact are not."""

STEEPEST = 10.0
"""Largest exponent of a fit."""

STEPS, FEW_STEPS = 40, 12
"""Steps of a fit, and of one that starts at a fit to similar moments."""

Model = Callable[[Tensor], tuple[Tensor, Tensor]]
"""log Σₙ λₙᵖ and its derivatives, (batch, candidates, p) and (batch, candidates, p, k), of parameters."""


@dataclass(frozen=True)
class Ranks:
    """Ranks at which a law is evaluated, and how many ranks each stands for."""

    n: Float[Tensor, " nodes"]
    weight: Float[Tensor, " nodes"]

    @classmethod
    def of(cls, units: int) -> "Ranks":
        """Ranks 1..32 one by one, then two Gauss nodes per tenth of a unit of log rank.

        >>> ranks = Ranks.of(10_000)
        >>> error = float((ranks.weight / ranks.n).sum() / sum(1 / n for n in range(1, 10_001)) - 1)
        >>> abs(error) < 1e-5, len(ranks.n)
        (True, 148)
        """
        exact = torch.arange(1, min(units, 32) + 1, dtype=torch.float64)
        if units <= 32:
            return cls(exact, torch.ones_like(exact))
        low, high = math.log(32.5), math.log(units + 0.5)
        edges = torch.linspace(low, high, max(2, math.ceil((high - low) / 0.1) + 1), dtype=torch.float64)
        centre, half = (edges[1:] + edges[:-1]) / 2, edges.diff() / 2
        nodes = torch.stack([centre - half / math.sqrt(3), centre + half / math.sqrt(3)], 1).flatten().exp()
        return cls(torch.cat([exact, nodes]), torch.cat([torch.ones_like(exact), half.repeat_interleave(2) * nodes]))


@dataclass(frozen=True)
class Target:
    """Logarithms of the spectral moments, the covariance of their errors, and the weights of a fit to them.

    `freedom`: degrees of freedom of the covariance, if it is of few groups.
    """

    logs: Float[Tensor, " p"]
    covariance: Float[Tensor, "p p"]
    white: Float[Tensor, "p p"]
    freedom: int = 0

    @classmethod
    def of(cls, logs: Tensor, covariance: Tensor, freedom: int = 0) -> "Target":
        ridge = covariance + RIDGE * covariance.diagonal().diag()
        return cls(logs, covariance, torch.linalg.inv(torch.linalg.cholesky(ridge)), freedom)

    def draws(self, around: Tensor, count: int, generator: torch.Generator) -> Float[Tensor, "count p"]:
        """Log moments of new experiments in which those of the population are `around`, the same but for rounding.

        Normal, or a multivariate t of `freedom` degrees of freedom.
        """
        values, vectors = torch.linalg.eigh(self.covariance)
        root = vectors * values.clamp_min(0).sqrt() @ vectors.T  # which the signs of the vectors do not change
        errors = torch.randn(count, len(values), dtype=torch.float64, generator=generator) @ root.T
        if self.freedom:
            squares = torch.randn(count, self.freedom, dtype=torch.float64, generator=generator).square()
            errors = errors / squares.mean(1, keepdim=True).sqrt()
        drawn: Tensor = around + errors
        return drawn


@dataclass(frozen=True)
class Fitted:
    """Fits to a batch of log moments: (log c, α₁[, α₂]), chi2, log break rank, fitted log moments.

    every: parameters for each candidate break, of the first of the batch.
    """

    theta: Float[Tensor, "batch k"]
    chi2: Float[Tensor, " batch"]
    log_break: Float[Tensor, " batch"]
    fitted: Float[Tensor, "batch p"]
    every: Float[Tensor, "grid k"]


def breaks(units: int) -> Float[Tensor, " grid"]:
    """Logarithms of the break ranks from which fits start, evenly spaced; the break stays between the ends."""
    return torch.linspace(math.log(2), math.log(max(3, units / 2)), 24, dtype=torch.float64)


def fit_laws(
    logs: Float[Tensor, "batch p"], target: Target, ranks: Ranks, broken: bool, near: Tensor | None = None
) -> Fitted:
    """Fit c n^(−α), or the broken law, by weighted least squares of log moments.

    The broken law is first fitted with its break at each of `breaks`; the best of these fits is continued with the
    break as a parameter.  `near`: fits of every candidate to start from, `every` of another result.
    """
    x = ranks.n.log()
    grid = breaks(int(ranks.weight.sum().round())) if broken else torch.full((1,), math.inf, dtype=torch.float64)
    before = torch.minimum(x, grid[:, None])
    columns = [torch.ones_like(before), -before] + ([before - x] if broken else [])
    design = torch.stack(columns, -1)
    start = torch.ones(len(design), design.shape[-1], dtype=torch.float64)
    start[:, 0] = logs[0, -1] / logs.shape[1]
    start = (start if near is None else near).expand(len(logs), -1, -1)
    steps = STEPS if near is None else FEW_STEPS
    weighted = (design * ranks.weight[:, None]).mT.contiguous().mT  # the faster layout

    def at_breaks(theta: Tensor) -> tuple[Tensor, Tensor]:
        value, jacobian = _log_moments(theta.transpose(0, 1) @ design.mT, weighted, logs.shape[1])
        return value.transpose(0, 1), jacobian.transpose(0, 1)

    def bent(theta: Tensor) -> tuple[Tensor, Tensor]:
        """The same with the logarithm of the break as the last parameter, a row of `theta` for each of `logs`."""
        scale, first, second, at = (theta[..., i : i + 1] for i in range(4))
        before = x.minimum(at)
        columns = [torch.ones_like(before), -before, before - x, (second - first) * (x > at)]
        law = scale - first * before - second * (x - before)
        return _log_moments(law, torch.cat(columns, 1).mT * ranks.weight[:, None], logs.shape[1])

    ends = [(-math.inf, math.inf), (0, STEEPEST), (0, STEEPEST), (float(grid[0]), float(grid[-1]))]
    bounds = torch.tensor(ends, dtype=torch.float64)
    theta, value, chi2 = _levenberg_marquardt(logs, target.white, at_breaks, start, steps, bounds)
    best, row, every = chi2.argmin(1), torch.arange(len(logs)), theta[0]
    theta, value, chi2, at = theta[row, best], value[row, best], chi2[row, best], grid[best]
    if broken:
        free = torch.cat([theta, at[:, None]], 1)[:, None]
        found = _levenberg_marquardt(logs, target.white, bent, free, STEPS, bounds)
        theta, value, chi2 = (v[:, 0] for v in found)
        theta, at = theta[:, :-1], theta[:, -1]
    return Fitted(theta, chi2, at, value, every)


def _log_moments(law: Tensor, weighted: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """log Σₙ wₙ λₙᵖ of log λ, p = 1..count, and its derivatives; powers by multiplication, as exponentials are slower.

    weighted: derivatives of log λₙ with respect to the parameters, times wₙ.  With respect to the first it is 1.
    """
    p = torch.arange(1, count + 1, dtype=torch.float64)
    least = min(-50.0, -690.0 / count)  # below it powers would be subnormal numbers, which take much longer
    largest = law.amax(-1, keepdim=True)
    powers = base = (law - largest).clamp_min(least).exp()
    each = [powers @ weighted]
    for _ in p[1:]:
        powers = powers * base
        each.append(powers @ weighted)
    sums = torch.stack(each, 2)
    total = sums[..., :1]
    return p * largest + total[..., 0].log(), p[:, None] * (sums / total)


def _levenberg_marquardt(
    logs: Tensor, white: Tensor, model: Model, theta: Tensor, steps: int, bounds: Float[Tensor, "parameters 2"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Fit every row of `logs` by every candidate, with each parameter within its bounds."""
    goal = logs[:, None]
    low, high = bounds[: theta.shape[-1]].T
    value, jacobian = model(theta)
    rest = (goal - value) @ white.T
    chi2 = rest.square().sum(-1)
    damping = torch.full_like(chi2, 1e-2)
    for _ in range(steps):
        slope = white @ jacobian
        normal = slope.mT @ slope
        damped = normal + damping[..., None, None] * (normal.diagonal(dim1=-2, dim2=-1) + 1e-12).diag_embed()
        step = torch.linalg.solve(damped, (slope.mT @ rest[..., None])[..., 0])
        moved = (theta + step).clamp(low, high)
        new_value, new_jacobian = model(moved)
        new_rest = (goal - new_value) @ white.T
        new_chi2 = new_rest.square().sum(-1)
        better = new_chi2 < chi2
        small = float((chi2 - new_chi2).abs().max()) < 1e-6
        theta = torch.where(better[..., None], moved, theta)
        value = torch.where(better[..., None], new_value, value)
        jacobian = torch.where(better[..., None, None], new_jacobian, jacobian)
        rest = torch.where(better[..., None], new_rest, rest)
        chi2 = torch.where(better, new_chi2, chi2)
        damping = torch.where(better, damping / 5, damping * 4).clamp(1e-9, 1e9)
        if small:
            break
    return theta, value, chi2


def identified_rank(fitted: Fitted, target: Target, ranks: Ranks, sd: float = 2.0) -> int:
    """Largest rank n such that the moments would be `sd` standard errors away if the spectrum ended before n.

    The distance is that of the fit, ‖W (log mₚ − log mₚ of ranks below n)‖ at the fitted law.
    """
    theta, log_break = fitted.theta[0], fitted.log_break[0]
    x = ranks.n.log()
    before = x.minimum(log_break)
    law = theta[0] - theta[1] * before - (theta[-1] * (x - before) if len(theta) > 2 else 0)
    p = torch.arange(1, len(target.logs) + 1, dtype=torch.float64)
    terms = p[:, None] * law + ranks.weight.log()
    below = terms.logcumsumexp(-1)
    distance = (target.white @ (below[:, -1:] - below)).square().sum(0).sqrt()
    far = (distance > sd).nonzero().flatten()
    if not len(far):
        return 1
    return 1 + int(ranks.weight[: int(far[-1]) + 1].sum().round())
