"""Intrinsic dimension from the two nearest neighbours of every point."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import Estimate


def two_nn(x: Float[Tensor, "samples units"], discard: float = 0.1, block: int = 1024) -> Estimate:
    """TwoNN intrinsic dimension: slope through the origin of −log(1 − F(μ)) on log μ, μ = r₂/r₁.

    Args:
        x: points; one of a pair of identical points is dropped.
        discard: fraction of the largest μ that is left out of the fit.
        block: points compared with all others at once.

    Returns:
        The dimension.  Its interval is value · (1 ± 1.96/√m), the standard error of the maximum-likelihood estimate
        (Denti et al. 2022) with m = n − pairs of mutual nearest neighbours, whose ratios are not independent.

    Source: E. Facco, M. d'Errico, A. Rodriguez, A. Laio, Scientific Reports 7 (2017), eqs. 5-6 and its algorithm.

    >>> plane = torch.rand(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    >>> found = two_nn(torch.cat([plane, plane.sin(), plane * 3], 1))
    >>> found.low < 2 < found.high
    True
    """
    if not 0 <= discard < 1:
        raise InputError("cannot discard this fraction", got=discard, wanted="0 <= discard < 1")
    z = torch.unique(x.detach().double(), dim=0)
    if len(z) < 10:
        raise InputError("too few different points for a dimension", got=len(z), wanted="at least 10")
    first, second, neighbour = _two_nearest(z - z.mean(0), block)
    mutual = int((neighbour[neighbour] == torch.arange(len(z), device=z.device)).sum()) // 2
    mu = (second / first).sort().values
    n = len(mu)
    share = torch.arange(1, n + 1, dtype=torch.float64, device=mu.device) / n
    keep = min(n - 1, math.ceil(n * (1 - discard)))  # F = 1 at the last point has no logarithm
    u, v = mu[:keep].log(), -torch.log1p(-share[:keep])
    value = float((u * v).sum() / u.square().sum())
    half = 1.959964 * value / math.sqrt(n - mutual)
    return Estimate(value, value - half, value + half, n, "95 %, asymptotic, TwoNN")


def _two_nearest(z: Tensor, block: int) -> tuple[Tensor, Tensor, Tensor]:
    """Exact distances to the two nearest neighbours, and which the nearest is; candidates by one product per block."""
    norms = z.square().sum(1)
    candidates = min(5, len(z))
    found, which = [], []
    for start in range(0, len(z), block):
        part = z[start : start + block]
        near = (norms - 2 * part @ z.T).topk(candidates, largest=False).indices
        exact = (z[near] - part[:, None]).square().sum(2)
        itself = near == torch.arange(start, start + len(part), device=z.device)[:, None]
        distance, order = exact.masked_fill(itself, math.inf).sort(1)
        found.append(distance[:, :2].sqrt())
        which.append(near.gather(1, order[:, :1])[:, 0])
    nearest = torch.cat(found)
    return nearest[:, 0], nearest[:, 1], torch.cat(which)
