"""Bootstrap with Marchenko-Pastur weights: right for eigenvalues at any ratio of units to samples."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.symmetric import gram


def marchenko_pastur_quantile(u: Float[Tensor, "*shape"], ratio: float) -> Float[Tensor, "*shape"]:
    """Quantiles of the Marchenko-Pastur law with unit mean and variance `ratio` (0 < ratio <= 1).

    With x = 1 + ρ − 2√ρ cos φ the law is (2/π) sin²φ / x dφ on 0 < φ < π.

    >>> u = (torch.arange(10000, dtype=torch.float64) + 0.5) / 10000
    >>> w = marchenko_pastur_quantile(u, 0.5)
    >>> round(float(w.mean()), 3), round(float(w.var()), 3), round(float((w - 1).pow(3).mean()), 3)
    (1.0, 0.5, 0.25)
    """
    phi = torch.linspace(0, math.pi, 4097, dtype=torch.float64)
    root = math.sqrt(ratio)
    x = 1 + ratio - 2 * root * phi.cos()
    density = torch.where(x > 0, 2 / math.pi * phi.sin().square() / x.clamp_min(1e-300), 2 / math.pi)
    cdf = torch.cat([density.new_zeros(1), torch.cumulative_trapezoid(density, phi)])
    cdf = cdf / cdf[-1]
    at = u.to("cpu", torch.float64).contiguous()
    right = torch.searchsorted(cdf, at).clamp(1, len(cdf) - 1)
    share = (at - cdf[right - 1]) / (cdf[right] - cdf[right - 1])
    angle = phi[right - 1] + share * (phi[right] - phi[right - 1])
    return 1 + ratio - 2 * root * angle.cos()


def free_weights(rows: int, draws: int, ratio: float, generator: torch.Generator) -> Float[Tensor, "draws rows"]:
    """Draw weights of `rows` samples for `draws` resamplings, each with mean one.

    The weights of one sample over the draws are stratified (a Latin hypercube), so first-order effects nearly cancel
    in the mean over draws and only the bias remains.
    """
    strata = torch.rand(rows, draws, generator=generator, dtype=torch.float32).argsort(1).double()
    inside = torch.rand(rows, 1, generator=generator, dtype=torch.float64)
    u = (strata + torch.where(strata % 2 == 0, inside, 1 - inside)) / draws
    weights = marchenko_pastur_quantile(u, ratio).T
    return weights / weights.mean(1, keepdim=True)


def resampled(white: Float[Tensor, "rows rank"], weights: Float[Tensor, " rows"], n: int) -> Float[Tensor, "rank rank"]:
    """Covariance of a resample of size `n`, in coordinates in which the covariance of the rows is the identity.

    `white` has orthonormal columns, `weights` mean one and follow the Marchenko-Pastur law of ratio rows/n.

    For Gaussian responses `white` is a random orthonormal frame, and compressing a diagonal matrix with law ν by such
    a frame divides the free cumulants of ν by powers of rows/rank (Nica and Speicher 1996).  The law whose free
    cumulants make this the covariance spectrum of n new samples, Marchenko-Pastur of ratio rank/n, is itself
    Marchenko-Pastur, of ratio rows/n.  So the eigenvalues are displaced as by new samples at any units/samples;
    the multinomial bootstrap agrees to second order only and fails for samples ≲ 10 units.  Fourth moments of the
    responses enter through `white`, so the correction is not limited to Gaussian codes.
    """
    mean = weights @ white
    root = weights.sqrt()[:, None] * white
    return (gram(root) - torch.outer(mean, mean) / weights.sum()) * (n / (n - 1))


def wishart(rank: int, n: int, draws: int, generator: torch.Generator) -> Iterator[Float[Tensor, "rank rank"]]:
    """Draw sample covariances of `n` Gaussian responses with identity covariance (Wishart).

    T T' / (n − 1) with T lower triangular, T_ij ~ N(0, 1) below and T_ii² ~ χ²(n − i) on the diagonal (i = 1, 2, …):
    the means take one degree of freedom.  With n ≤ rank, T has n − 1 columns.  The cost does not depend on n.

    Source: Bartlett 1933; Anderson 2003, corollary 7.2.1.

    >>> w = torch.stack(list(wishart(3, 50, 2000, torch.Generator().manual_seed(0))))
    >>> bool((w.mean(0) - torch.eye(3)).abs().max() < 0.02), bool((w.var(0)[0, 0] - 2 / 49).abs() < 0.004)
    (True, True)
    """
    draw, columns = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator))), min(rank, n - 1)
    for _ in range(draws):
        factor = np.tril(draw.standard_normal((rank, columns)), -1)
        np.fill_diagonal(factor, np.sqrt(draw.chisquare(n - 1.0 - np.arange(columns))))
        yield gram(torch.from_numpy(factor.T)) / (n - 1)


def wishart_of_groups(
    alike: Float[Tensor, " rank"], size: float, n: int, groups: int, draws: int, generator: torch.Generator
) -> Iterator[Float[Tensor, "rank rank"]]:
    """Draw sample covariances of `n` Gaussian responses in groups of `size`, correlation `alike` within a group.

    The scatter between the means of groups has groups − 1 degrees of freedom and variance 1 + (size − 1) ρ, that within
    groups n − groups and 1 − ρ (analysis of variance with random effects; exact for groups of equal size).

    >>> g = torch.Generator().manual_seed(0)
    >>> w = torch.stack(list(wishart_of_groups(torch.tensor([0.0, 1.0]).double(), 4.0, 400, 100, 2000, g)))
    >>> [round(float(v), 2) for v in w.mean(0).diagonal()], [round(float(v) * 200) for v in w.var(0).diagonal()]
    ([1.0, 0.99], [1, 4])
    """
    between, within = (1 + (size - 1) * alike).sqrt(), (1 - alike).sqrt()
    scatter = [wishart(len(alike), count, draws, generator) for count in (groups, n - groups + 1)]
    for means, rest in zip(*scatter, strict=True):
        means = (between[:, None] * means.to(between)) * between * ((groups - 1) / (n - 1))
        yield means + (within[:, None] * rest.to(within)) * within * ((n - groups) / (n - 1))
