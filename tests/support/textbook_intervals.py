"""Textbook intervals over images, one eigendecomposition per resample: the slow reference for the fast ones."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.moments import Moments
from eigencode.base.record import Estimate
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvalues
from eigencode.spectra.windows import Z95

Statistic = Callable[[Tensor], float]
"""Eigenvalues, descending -> a number, e.g. `lambda v: fit_line(v, (11, 100), "uniform").alpha`."""


def delete_d_jackknife(
    x: Float[Tensor, "samples units"], statistic: Statistic, groups: int = 40, seed: int = 0
) -> Estimate:
    """A statistic of the spectrum with the interval of the delete-d jackknife, d = samples / groups, random groups.

    variance = (G − 1) / G Σ (θ₍g₎ − θ̄)².  Each leave-out covariance is the total minus one group (exact), so images
    are read once.  The spread of an exponent is overestimated where units are not few against samples, since
    second-order terms count twice (Efron and Stein 1981); `Spectrum.power_law` counts them once.

    Source: Shao and Wu 1989, Ann. Stat. 17, 1176-1197; Shao and Tu 1995, section 2.3.
    """
    if not 2 <= groups <= len(x) // 2:
        raise InputError("groups do not fit the samples", got=f"{groups} groups of {len(x)}", wanted="2 .. samples / 2")
    order = torch.randperm(len(x), generator=stream(seed, "jackknife"))
    parts = [Moments.of(x[rows]) for rows in order.chunk(groups)]
    left = [Moments.merged([p for j, p in enumerate(parts) if j != i]) for i in range(len(parts))]
    values = torch.tensor([statistic(_eigenvalues(m)) for m in left], dtype=torch.float64)
    g = len(parts)
    error = math.sqrt((g - 1) / g * float((values - values.mean()).square().sum()))
    value = statistic(_eigenvalues(Moments.merged(parts)))
    return Estimate(value, value - Z95 * error, value + Z95 * error, len(x), f"95 % delete-{len(x) // g} jackknife")


def bootstrap(x: Float[Tensor, "samples units"], statistic: Statistic, resamples: int = 200, seed: int = 0) -> Estimate:
    """A statistic of the spectrum with the basic bootstrap interval over images.

    Resampling samples with replacement bends the spectrum once more, as sampling did, so the interval is reflected:
    2θ̂ − θ*.  Good to second order; fails for samples ≲ 10 units (see `free_bootstrap`).

    Source: Davison and Hinkley 1997, eq. 5.6.
    """
    if resamples < 20:
        raise InputError("too few resamples for an interval", got=resamples, wanted=">= 20")
    generator = stream(seed, "bootstrap")
    z = x.double() - x.double().mean(0)
    values = []
    for _ in range(resamples):
        rows = torch.randint(len(z), (len(z),), generator=generator)
        counts = torch.bincount(rows, minlength=len(z)).double()
        mean = counts @ z / len(z)
        scatter = z.T @ (counts[:, None] * z) - len(z) * torch.outer(mean, mean)
        values.append(statistic(eigenvalues(scatter / (len(z) - 1))))
    value = statistic(_eigenvalues(Moments.of(z)))
    low, high = torch.tensor(values, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    return Estimate(value, 2 * value - float(high), 2 * value - float(low), len(x), "95 % basic bootstrap")


def _eigenvalues(moments: Moments) -> Tensor:
    return eigenvalues(moments.covariance())
