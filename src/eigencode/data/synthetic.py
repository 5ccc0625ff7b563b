"""Responses with known population covariance, the ground truth for spectra and power-law fits."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from scipy.special import gamma, hyp2f1
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.record import brief
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvalues

Kind = Literal["gaussian", "relu", "relu^2", "relu^4.5", "relu_sources", "t", "clustered"]
"""Kinds of planted codes.

`gaussian`:     x = Q diag(n^(-alpha/2)) g, with g ~ N(0, 1) and Q random orthonormal.  Population eigenvalues are
    n^-alpha exactly.
`relu_sources`: the same with every g replaced by (max(g, 0) - mean) / standard deviation: skewed sources with half
    of their mass in one point.  Population eigenvalues are n^-alpha exactly; for testing intervals of alpha on a
    code that is not Gaussian.
`relu`:         y = max(x, 0) with x the Gaussian code, as in a layer of rectified units.  Its population
    eigenvalues are known but *not* n^-alpha: products of the strong directions add to the weak ones, and the
    spectrum falls more slowly (by n^-1.9 on n = 11..50 for alpha = 2.5 and 1000 units).  The truth for a fit
    is the same fit to `eigenvalues`.
`relu^2`, `relu^4.5`: the same with y = max(x, 0)^p, the activation of Krotov and Hopfield's networks; heavy tails.
`t`:            an elliptical t distribution with 5 degrees of freedom: the Gaussian code with one random scale per
    response, so all units are large at once.  Population eigenvalues are n^-alpha exactly.
`clustered`:    half of the variance of every source lies between 10 clusters with Gaussian centres, as between
    classes.  The centres add a part of rank 9 to the population spectrum.
"""

Law = float | tuple[float, float, float]
"""A spectrum over ranks n: the exponent alpha of n^-alpha, or (alpha_1, b, alpha_2) of a broken power law, n^-alpha_1
up to the rank b and proportional to n^-alpha_2 beyond, continuous."""

EXACT = ("gaussian", "relu_sources", "t")
"""Kinds whose population eigenvalues are those of the law exactly."""

POWERS: dict[str, float] = {"relu": 1.0, "relu^2": 2.0, "relu^4.5": 4.5}
"""Exponent p of the kinds max(x, 0)^p."""

FREEDOM, CLUSTERS = 5, 10
"""Degrees of freedom of `t`, and number of clusters of `clustered`."""


@dataclass(frozen=True, eq=False)
class PlantedCode:
    """A random code with known population covariance, from which any number of responses can be drawn.

    Args:
        alpha: the latent spectrum, n = 1..units; see `Law`.
        kind: see `Kind`.
        basis: the random orthonormal basis Q; column n is the direction of latent eigenvalue n.  None: the identity.
        eigenvalues: of the population covariance of the responses, descending, float64.

    Made by `PlantedCode.of`; call `sample` with other seeds for replicates of one population.
    """

    alpha: Law
    kind: Kind
    basis: Float[Tensor, "units units"] | None
    eigenvalues: Float[Tensor, " units"]

    __repr__ = brief

    @classmethod
    def of(cls, units: int, alpha: Law, kind: Kind = "gaussian", seed: int | None = 0) -> "PlantedCode":
        """Create a code with this number of units, latent spectrum and kind.

        `seed` chooses the basis; None leaves it out, which is faster with thousands of units and all the same to
        whatever depends on inner products of responses only.

        Raises:
            InputError: unknown kind, no units, an exponent that is negative or not finite, or a break before rank 1.

        >>> PlantedCode.of(4, alpha=1.0).eigenvalues.tolist()
        [1.0, 0.5, 0.3333333333333333, 0.25]
        >>> PlantedCode.of(4, alpha=(0.0, 2.0, 1.0), seed=None).eigenvalues.tolist()
        [1.0, 1.0, 0.6666666666666666, 0.5]
        """
        admit(PlantedCode.of, locals())
        if kind not in get_args(Kind):
            raise InputError("unknown kind of planted code", got=repr(kind), wanted=", ".join(get_args(Kind)))
        first, rank, second = _broken(alpha)
        if units < 1 or not (0 <= first < math.inf and 0 <= second < math.inf and rank >= 1):
            raise InputError(
                "no such planted code", got=f"{units} units, alpha {alpha}", wanted="units >= 1, alpha >= 0, break >= 1"
            )
        basis, latent = None if seed is None else random_basis(units, seed), _powers(alpha, units)
        if kind in POWERS:
            covariance = repu_covariance(latent.diag() if basis is None else (basis * latent) @ basis.T, POWERS[kind])
            return cls(alpha, kind, basis, eigenvalues(covariance))
        if kind == "clustered":
            means = _centres(units) * latent.sqrt()
            return cls(alpha, kind, basis, eigenvalues(means.T @ means / CLUSTERS + (latent / 2).diag()))
        return cls(alpha, kind, basis, latent)

    def sample(self, n: int, seed: int = 0) -> Float[Tensor, "samples units"]:
        """Draw `n` independent responses, float64.  The same seed gives the same sources for all alpha and kinds.

        >>> PlantedCode.of(5, alpha=1.0, kind="relu").sample(3).shape
        torch.Size([3, 5])
        """
        admit(PlantedCode.sample, locals())
        if n < 1:
            raise InputError("no such sample", got=f"{n} samples", wanted="at least 1")
        units = len(self.eigenvalues)
        sources = torch.randn(n, units, dtype=torch.float64, generator=stream(seed, "planted", "sources"))
        if self.kind == "relu_sources":
            sources = sources.relu_().sub_(1 / math.sqrt(2 * math.pi)).div_(math.sqrt(0.5 - 0.5 / math.pi))
        more = stream(seed, "planted", self.kind)
        if self.kind == "t":
            squares = torch.randn(n, FREEDOM, dtype=torch.float64, generator=more).square().sum(1, keepdim=True)
            sources *= ((FREEDOM - 2) / squares).sqrt()
        if self.kind == "clustered":
            sources = sources / math.sqrt(2) + _centres(units)[torch.randint(CLUSTERS, (n,), generator=more)]
        responses = sources * _powers(self.alpha, units, 0.5)
        responses = responses if self.basis is None else responses @ self.basis.T
        return responses.relu_().pow_(POWERS[self.kind]) if self.kind in POWERS else responses

    def repeats(self, n: int, count: int, snr: float, seed: int = 0) -> Float[Tensor, "repeats samples units"]:
        """Draw `sample(n, seed)` and show it `count` times, each time with other Gaussian noise of every unit.

        `snr` is the ratio of the total variances of signal and noise in one presentation, Σλ / (units σ²): the noise is
        independent between units and presentations, with the same variance σ² in every unit.  The first repeats are
        the same for every `count`.

        Raises:
            InputError: no samples, no repeats, or a ratio that is not positive.

        >>> code = PlantedCode.of(50, alpha=1.0)
        >>> one, two = code.repeats(1000, 2, snr=0.5)
        >>> ratio = code.eigenvalues.sum() / ((one - two).var(0).sum() / 2)
        >>> round(float(ratio), 1)
        0.5
        """
        admit(PlantedCode.repeats, locals())
        if count < 1 or not 0 < snr < math.inf:
            raise InputError("no such repeats", got=f"{count} of them, snr {snr}", wanted="at least 1, snr > 0")
        signal, sd = self.sample(n, seed), math.sqrt(float(self.eigenvalues.mean()) / snr)
        found = torch.empty(count, *signal.shape, dtype=torch.float64)
        for r, repeat in enumerate(found):
            torch.randn(signal.shape, out=repeat, generator=stream(seed, "planted", f"noise {r}"))
            repeat.mul_(sd).add_(signal)
        return found


def _broken(law: Law) -> tuple[float, float, float]:
    """A law as (exponent, rank of the break, exponent beyond it); a single power law has its break at infinity."""
    return law if isinstance(law, tuple) else (law, math.inf, law)


def _powers(law: Law, units: int, power: float = 1.0) -> Float[Tensor, " units"]:
    """The eigenvalues of a law to this power, n = 1..units."""
    first, rank, second = _broken(law)
    n = torch.arange(1, units + 1, dtype=torch.float64)
    before = n.clamp_max(rank)
    return before ** (-first * power) * (n / before) ** (-second * power)


def _centres(units: int) -> Float[Tensor, "clusters units"]:
    """Centres of the clusters of `clustered`, in the basis of the sources: mean zero, half of a unit variance."""
    drawn = torch.randn(CLUSTERS, units, dtype=torch.float64, generator=stream(0, "planted", "centres"))
    return (drawn - drawn.mean(0)) / math.sqrt(2)


def random_basis(units: int, seed: int = 0) -> Float[Tensor, "units units"]:
    """A uniformly (Haar) distributed orthonormal matrix, float64.

    The QR decomposition of a Gaussian matrix with the signs of R's diagonal moved to Q: F. Mezzadri, How to generate
    random matrices from the classical compact groups, Notices of the AMS 54 (2007), section 5.

    >>> q = random_basis(3)
    >>> torch.testing.assert_close(q.T @ q, torch.eye(3, dtype=torch.float64))
    """
    admit(random_basis, locals())
    if units < 1:
        raise InputError("no such basis", got=f"{units} units", wanted="at least 1")
    gaussian = torch.randn(units, units, dtype=torch.float64, generator=stream(seed, "planted", "basis"))
    q, r = torch.linalg.qr(gaussian)
    signed: Tensor = q * r.diagonal().sign()
    return signed


def repu_covariance(covariance: Float[Tensor, "units units"], power: float = 1.0) -> Float[Tensor, "units units"]:
    """Covariance of max(x, 0)^p for x ~ N(0, S), in closed form.

    With correlation rho = S_ij / (s_i s_j), F the hypergeometric function 2F1 and G the gamma function,
    E[y_i y_j] = (s_i s_j)^p 2^p / (4 pi) (A + B), where A = G((p+1)/2)^2 F(-p/2, -p/2; 1/2; rho^2) and
    B = 2 rho G(p/2+1)^2 F((1-p)/2, (1-p)/2; 3/2; rho^2).

    Source: integral of the bivariate normal density over the positive quadrant, as Y. Cho, L. Saul, Kernel methods for
    deep learning (NIPS 2009), eq. 1 and 6, for p = 1.  Differs from their kernel by the factor 1/2 of the expectation
    and by the product of the means.

    >>> repu_covariance(torch.eye(1, dtype=torch.float64))  # 1/2 - 1/(2 pi)
    tensor([[0.3408]], dtype=torch.float64)
    """
    admit(repu_covariance, locals())
    square = covariance.ndim == 2 and 0 < len(covariance) == covariance.shape[1]
    if not square or not bool(torch.isfinite(covariance).all()) or not 0 < power < math.inf:
        got = f"{tuple(covariance.shape)}, power {power}"
        raise InputError("not a covariance", got=got, wanted="finite, units x units, and a positive power")
    covariance = covariance.detach().double()
    sd = covariance.diagonal().sqrt()
    scale = torch.outer(sd, sd)
    rho = torch.where(scale > 0, covariance / scale, 0).clamp(-1, 1).fill_diagonal_(1).numpy()
    even, odd = gamma((power + 1) / 2) ** 2, 2 * gamma(power / 2 + 1) ** 2
    f = even * (hyp2f1(-power / 2, -power / 2, 0.5, rho**2) - 1)
    f += odd * rho * hyp2f1((1 - power) / 2, (1 - power) / 2, 1.5, rho**2)
    found: Tensor = scale**power * torch.from_numpy(f) * 2**power / (4 * math.pi)
    return found
