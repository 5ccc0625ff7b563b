"""Measures of the dimension of a spectrum, each as published."""

import torch
from torch import Tensor

from eigencode.base.arrays import Array, tensor
from eigencode.base.border import admit
from eigencode.base.errors import InputError


def _values(given: Array) -> Tensor:
    """Eigenvalues or singular values of any array library, as floats."""
    values = tensor(given, "eigenvalues").detach()
    values = values if values.is_floating_point() else values.double()
    if values.ndim != 1 or not bool(torch.isfinite(values).all()):
        raise InputError("not a spectrum", got=f"shape {tuple(values.shape)}", wanted="finite eigenvalues, one axis")
    return values


def participation_ratio(eigenvalues: Array) -> float:
    """Participation ratio (Σλ)² / Σλ²: k for k equal eigenvalues.

    Source: P. Gao et al., A theory of multineuronal dimensionality, dynamics and measurement (2017), eq. 6.

    >>> participation_ratio(torch.tensor([2.0, 2.0, 0.0], dtype=torch.float64))
    2.0
    """
    values = _values(eigenvalues)
    values = torch.ldexp(values, -torch.frexp(values.abs().max()).exponent)  # exact, and no square overflows
    squares = values.square().sum()
    if squares == 0:
        raise InputError("a spectrum of zeros has no dimension", got="all eigenvalues 0", wanted="some variance")
    return float(values.sum().square() / squares)


def entropy_rank(values: Array, epsilon: float = 0.0) -> float:
    """Exponential of an entropy, exp(−Σ pₖ log pₖ) with pₖ = valueₖ / Σ values + ε and 0 log 0 = 0.

    >>> round(entropy_rank(torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)) ** 2, 6)  # 2^1.5 squared
    8.0
    """
    admit(entropy_rank, locals())
    values = _values(values)
    if bool((values < 0).any()) or not values.sum() > 0:
        raise InputError("an entropy needs values that are not negative", got=f"min {float(values.min()):.3g}")
    p = values / values.sum() + epsilon
    return float((-torch.xlogy(p, p).sum()).exp())


def rankme(eigenvalues: Array, epsilon: float = 1e-7) -> float:
    """RankMe of centred responses: exponential of the entropy of their *singular values* σ = √λ.

    exp(−Σ pₖ log pₖ), pₖ = σₖ/Σσ + ε, ε = 1e-7.

    Source: Q. Garrido et al., RankMe (ICML 2023), eqs. 1-2.  Differs from the paper by centring (there the singular
    values are those of the raw embeddings) and from `effective_rank` by singular values in place of eigenvalues.

    >>> round(rankme(torch.ones(8, dtype=torch.float64)), 3)
    8.0
    """
    admit(rankme, locals())
    return entropy_rank(_values(eigenvalues).clamp_min(0).sqrt(), epsilon)


def effective_rank(eigenvalues: Array) -> float:
    """Effective rank of the covariance *matrix*: exponential of the entropy of its eigenvalues / trace.

    Source: O. Roy, M. Vetterli, The effective rank (EUSIPCO 2007), definition 1; the singular values of a covariance
    are its eigenvalues.  Applied to the data matrix instead it is `rankme` with ε = 0.

    >>> round(effective_rank(torch.tensor([3.0, 3.0, 3.0, 0.0], dtype=torch.float64)), 6)
    3.0
    """
    return entropy_rank(_values(eigenvalues).clamp_min(0))


def lidar(embeddings: Array, delta: float = 1e-4, epsilon: float = 1e-7) -> float:
    """LiDAR: effective rank of Σ_w^(−1/2) Σ_b Σ_w^(−1/2), between-object over within-object covariance.

    exp(−Σ pₖ log pₖ), pₖ = λₖ/Σλ + ε, Σ_b = mean over objects of (μₒ − μ)(μₒ − μ)ᵀ,
    Σ_w = mean over objects and views of (e − μₒ)(e − μₒ)ᵀ + δ I.

    Args:
        embeddings: several views (augmentations, repeats) of each object.
        delta: regulariser of Σ_w, in squared units of the embeddings.

    Source: V. Thilak et al., LiDAR (ICLR 2024), section 4 (eqs. 1-3), with its δ = 1e-4.
    """
    admit(lidar, locals())
    given = tensor(embeddings, "embeddings").detach()
    if not bool(torch.isfinite(given).all()) or not delta > 0:
        got = f"delta {delta}, {int((~torch.isfinite(given)).sum())} numbers not finite"
        raise InputError("LiDAR cannot be computed", got=got, wanted="finite embeddings, delta > 0")
    if given.ndim != 3:
        raise InputError("LiDAR needs objects x views x units", got=tuple(given.shape), wanted="three axes")
    objects, views, units = given.shape
    if objects < 2 or views < 2:
        raise InputError("LiDAR needs several objects and views", got=f"{objects} x {views}", wanted=">= 2 of each")
    e = given.double()
    centres = e.mean(1)
    within = (e - centres[:, None]).reshape(-1, units)
    noise = within.T @ within / (objects * views) + delta * torch.eye(units, dtype=torch.float64, device=e.device)
    spread = centres - centres.mean(0)
    factor, failed = torch.linalg.cholesky_ex(noise)
    if int(failed):
        raise InputError("the covariance within objects is singular", got=f"delta {delta}", wanted="a larger delta")
    half = torch.linalg.solve_triangular(factor, spread.T / objects**0.5, upper=False)
    return entropy_rank(torch.linalg.svdvals(half).square(), epsilon)
