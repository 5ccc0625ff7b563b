"""Estimate the sampling bias of each log eigenvalue, by indirect inference on the population spectrum."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base import symmetric
from eigencode.base.groups import Groups
from eigencode.spectra._free_bootstrap import free_weights, resampled, wishart, wishart_of_groups
from eigencode.spectra._splines import even_knots, knots_by_width, roughness, spline_basis


@dataclass(frozen=True)
class Population:
    """Effect of sampling on log λ.

    bias: E[log λ̂ₙ] − log λₙ at the estimated population, per rank.
    non_gaussian: bias minus that of Gaussian responses of the same covariance.
    response: derivative of the corrected log λ with respect to the measured log λ̂.
    mixing: |⟨v̂ₖ, vⱼ⟩|², the mean share of population direction j in sample direction k; rows sum to one.
    """

    bias: Float[Tensor, " rank"]
    non_gaussian: Float[Tensor, " rank"]
    response: Float[Tensor, "rank rank"]
    mixing: Float[Tensor, "rank rank"]


MOST, SETTLED = 8, 0.1
"""Iteration with a curve: largest number of steps, and change of the curve at convergence in units of the standard
deviation √(2/n) of one log eigenvalue.  With only two steps, and the derivative of the first, α of flat spectra with
two samples per unit was too large by a fifth of its correction."""

TERMS, ROUNDS = 3, 2
"""Iteration without a curve: terms of the series S, and rounds."""


def draws_for(rank: int) -> int:
    """Number of resamplings for the bias; more for small problems, which need more and are cheap."""
    return 8 if rank <= 512 else 4


def population(
    eigenvalues: Float[Tensor, " rank"],
    white: Float[Tensor, "rows rank"],
    n: int,
    generator: torch.Generator,
    groups: Groups | None = None,
) -> Population:
    """Estimate the bias of every log eigenvalue, by indirect inference on a smooth population spectrum.

    Find the smooth log λ(log n) whose resampled spectrum F(λ), mean of log eig(Λ^½ Wᵦ Λ^½) over the resamplings Wᵦ,
    agrees with the measured log λ̂; the bias is F(λ) − log λ.  Only the bias comes from the smooth curve, so
    the corrected eigenvalues keep structure finer than the curve.  Gauss-Newton on spline coefficients: the
    derivative ∂ log eigₖ / ∂ log λⱼ = y²ₖⱼ with y the eigenvectors of Λ^½ W Λ^½ is exact.

    Args:
        eigenvalues: measured on `n` samples, positive, descending.
        white: whitened responses of some or all samples, orthonormal columns, in the eigenbasis.
        groups: of the rows of `white` that belong together.

    Idea of matching resampled spectra: Gourieroux, Monfort and Renault (1993); inverting the Marchenko-Pastur map for
    population eigenvalues: El Karoui (2008), Ledoit and Wolf (2015).  Differs from these by working with the measured
    fourth moments of the responses instead of Gaussian ones, and by correcting logarithms rank by rank.

    With groups, all rows of a group get the same weight.  If the rows of a group are equal, this resamples one row per
    group; if they are independent, it resamples all rows.  In both cases the resampled eigenvalues follow the right law
    (see `resampled`); in between, the weights have the right variance.  Scatter of log λ is then
    taken as that of n / (1 + (m − 1) ρ²) samples, the mean over directions, with m the size of a group and ρ the
    correlation within groups (Kish 1965).

    A spectrum with a sharp drop (a code of low rank plus noise, units that hardly ever respond) is no smooth curve.
    Where the curve does not fit the measured spectrum, `_without_curve` is used.
    """
    rank, rows = len(eigenvalues), len(white)
    device = eigenvalues.device
    count = rows if groups is None else groups.count
    weights = free_weights(count, draws_for(rank), min(1.0, rows / n), generator)
    if groups is not None:
        weights = weights[:, groups.of_row]
        weights = weights / weights.mean(1, keepdim=True)
    noises = [resampled(white, w, n) for w in weights.to(device)]
    drawn = wishart(rank, n, len(noises), generator)
    if groups is not None:
        size, alike = _within(white, groups)
        drawn = wishart_of_groups(alike, size, n, max(2, round(count * n / rows)), len(noises), generator)
        n = max(2, round(n / float((1 + (size - 1) * alike.square()).mean())))
    gaussian = (w.to(device) for w in drawn)  # one at a time: they are large
    y = eigenvalues.log()
    curve = _Curve(rank, even_knots(rank, 1.1), n, device)
    theta = curve.solve(curve.basis, y)
    few = noises[: len(noises) // 2]
    log_f, mixing = _resample(curve.basis @ theta, few, mixing=True)
    theta = curve.step(theta, mixing, y - log_f)
    guess = curve.basis @ theta
    curve = _Curve(rank, knots_by_width(_widths(mixing)), n, device)
    theta = curve.solve(curve.basis, guess)
    for _ in range(MOST):
        log_f, mixing = _resample(curve.basis @ theta, few, mixing=True)
        before, theta = theta, curve.step(theta, mixing, y - log_f)
        moved = curve.basis @ (theta - before)
        if float(moved.square().mean().sqrt()) < SETTLED * (2 / n) ** 0.5:
            break
    for _ in range(2):
        log_f, _ = _resample(curve.basis @ theta, noises, mixing=False)
        before, theta = theta, curve.step(theta, mixing, y - log_f)
    log_f = log_f + mixing @ (curve.basis @ (theta - before))  # the last step is small: first order is enough
    if _misfit(y - log_f, n):
        return _without_curve(y, noises, gaussian)
    displaced = mixing @ curve.basis
    gain = curve.operator(displaced)
    response = torch.eye(rank, dtype=y.dtype, device=device) - (displaced - curve.basis) @ gain
    return _population(curve.basis @ theta, log_f, gaussian, response, mixing)


def _within(white: Float[Tensor, "rows rank"], groups: Groups) -> tuple[float, Float[Tensor, " rank"]]:
    """Mean size of a group, and intraclass correlation of every direction, by analysis of variance (Fisher 1925).

    >>> x = torch.randn(500, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).repeat_interleave(4, 0)
    >>> size, alike = _within(x, Groups.of(torch.arange(500).repeat_interleave(4)))
    >>> round(size, 6), round(float(alike[0]), 6)
    (4.0, 1.0)
    """
    rows, count = len(white), groups.count
    sizes = groups.sizes.to(white)
    size = float(rows - sizes.square().sum() / rows) / (count - 1)
    moved = white - white.mean(0)
    between = (groups.sums(moved).square() / sizes[:, None]).sum(0)
    within = (moved.square().sum(0) - between) / (rows - count)
    between = between / (count - 1)
    return size, ((between - within) / (between + (size - 1) * within)).clamp(0, 1)


def _population(
    log_lambda: Tensor, log_f: Tensor, gaussian: Iterable[Tensor], response: Tensor, mixing: Tensor
) -> Population:
    """Effect of sampling on a population spectrum, given its mean resampled log spectrum `log_f`."""
    log_g, _ = _resample(log_lambda, gaussian, mixing=False)
    return Population(log_f - log_lambda, log_f - log_g, response, mixing)


def _misfit(residual: Float[Tensor, " rank"], n: int) -> bool:
    """True if the residual is larger than sampling noise explains.

    On smooth planted spectra it is below one standard deviation √(2/n) in root mean square and below five at most; a
    step of a factor 0.3 in λ gives five and more than twenty.
    """
    rest = residual.abs() / (2 / n) ** 0.5
    return bool(rest.square().mean().sqrt() > 1.5) or bool(rest.max() > 8)


def _without_curve(y: Float[Tensor, " rank"], noises: list[Tensor], gaussian: Iterable[Tensor]) -> Population:
    """Estimate the bias for a spectrum of any shape by the iterated bootstrap (Hall 1992, section 1.4).

    Start at λ = λ̂ and repeat log λ ← log λ + S (log λ̂ − F(λ)) with S = Σ_{j<TERMS} (1 − M)ʲ, M the mixing at λ̂: `TERMS`
    steps of Landweber's iteration at once.  Early stopping limits the noise of single ranks, so flat or bent spectra
    with few samples per unit are corrected less well than by the curve.
    """
    log_f, mixing = _resample(y, noises, mixing=True)
    one = torch.eye(len(y), dtype=y.dtype, device=y.device)
    steps = sum((torch.linalg.matrix_power(one - mixing, j) for j in range(1, TERMS)), start=one)
    found, slope = y, one
    for _ in range(ROUNDS):
        found = (found + steps @ (y - log_f)).sort(descending=True).values
        slope = slope + steps @ (one - mixing @ slope)
        log_f, _ = _resample(found, noises, mixing=False)
    return _population(found, log_f, gaussian, slope + one - mixing @ slope, mixing)


class _Curve:
    """Penalised spline of log λ over log rank; residuals have variance 2/n, curvature per knot about one."""

    def __init__(self, rank: int, knots: np.ndarray, n: int, device: torch.device) -> None:
        self.basis = spline_basis(rank, knots).to(device)
        rough = roughness(self.basis.shape[1]).to(device)
        self._penalty = 2 / n * rough + 1e-9 * torch.eye(len(rough), dtype=torch.float64, device=device)

    def operator(self, design: Tensor) -> Tensor:
        """Matrix from residuals to coefficients."""
        solved: Tensor = torch.linalg.solve(design.T @ design + self._penalty, design.T)
        return solved

    def solve(self, design: Tensor, y: Tensor) -> Tensor:
        return self.operator(design) @ y

    def step(self, theta: Tensor, mixing: Tensor, residual: Tensor) -> Tensor:
        """One damped Gauss-Newton step of the coefficients."""
        design = mixing @ self.basis
        pull = torch.linalg.solve(design.T @ design + self._penalty, self._penalty @ theta)
        new: Tensor = theta + (self.operator(design) @ residual - pull).clamp(-0.7, 0.7)
        return new


def _resample(log_lambda: Tensor, noises: Iterable[Tensor], mixing: bool) -> tuple[Tensor, Tensor]:
    """Mean log eigenvalues and mean mixing over resamplings of a population."""
    root = (log_lambda - log_lambda.max()).mul(0.5).exp()
    logs, count = torch.zeros_like(log_lambda), 0
    shares = log_lambda.new_zeros(len(root), len(root)) if mixing else log_lambda.new_zeros(0, 0)
    tiny = torch.finfo(torch.float64).tiny
    for noise in noises:
        matrix = (root[:, None] * noise).mul_(root)
        if mixing:
            values, vectors = symmetric.eigenvectors(matrix)
            shares += vectors.square_().T
        else:
            values = symmetric.eigenvalues(matrix)
        logs += values.clamp_min(tiny).log()
        count += 1
    return logs / count + log_lambda.max(), shares.div_(count)


def _widths(mixing: Tensor) -> np.ndarray:
    """Standard deviation in log rank of each row of `mixing`, smoothed over 11 ranks."""
    log_rank = torch.arange(1, len(mixing) + 1, dtype=torch.float64, device=mixing.device).log()
    mean = mixing @ log_rank
    width = (mixing @ log_rank.square() - mean.square()).clamp_min(0).sqrt().cpu().numpy()
    half = min(5, (len(width) - 1) // 2)
    kernel = np.ones(2 * half + 1) / (2 * half + 1)
    smooth: np.ndarray = np.convolve(np.pad(width, half, mode="edge"), kernel, "valid")
    return smooth
