"""Responses with known population covariance, the ground truth for spectra and power-law fits."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvalues

Kind = Literal["gaussian", "relu", "relu_sources"]
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
"""


@dataclass(frozen=True, eq=False)
class PlantedCode:
    """A random code with known population covariance, from which any number of responses can be drawn.

    Args:
        alpha: exponent of the latent spectrum n^-alpha, n = 1..units.
        kind: see `Kind`.
        basis: the random orthonormal basis Q; column n is the direction of latent eigenvalue n^-alpha.
        eigenvalues: of the population covariance of the responses, descending, float64.

    Made by `PlantedCode.of`; call `sample` with other seeds for replicates of one population.
    """

    alpha: float
    kind: Kind
    basis: Float[Tensor, "units units"]
    eigenvalues: Float[Tensor, " units"]

    @classmethod
    def of(cls, units: int, alpha: float, kind: Kind = "gaussian", seed: int = 0) -> "PlantedCode":
        """Create a code with this number of units, latent exponent and kind; `seed` chooses the basis.

        Raises:
            InputError: unknown kind, no units, or an alpha that is negative or not finite.

        >>> PlantedCode.of(4, alpha=1.0).eigenvalues.tolist()
        [1.0, 0.5, 0.3333333333333333, 0.25]
        """
        if kind not in get_args(Kind):
            raise InputError("unknown kind of planted code", got=repr(kind), wanted=", ".join(get_args(Kind)))
        if units < 1 or not 0 <= alpha < math.inf:
            raise InputError(
                "no such planted code", got=f"{units} units, alpha {alpha}", wanted="units >= 1, alpha >= 0"
            )
        basis = random_basis(units, seed)
        latent = torch.arange(1, units + 1, dtype=torch.float64) ** -alpha
        if kind == "relu":
            covariance = relu_covariance((basis * latent) @ basis.T)
            return cls(alpha, kind, basis, eigenvalues(covariance))
        return cls(alpha, kind, basis, latent)

    def sample(self, n: int, seed: int = 0) -> Float[Tensor, "samples units"]:
        """Draw `n` independent responses, float64.  The same seed gives the same sources for all alpha and kinds.

        >>> PlantedCode.of(5, alpha=1.0, kind="relu").sample(3).shape
        torch.Size([3, 5])
        """
        if n < 1:
            raise InputError("no such sample", got=f"{n} samples", wanted="at least 1")
        units = len(self.basis)
        sources = torch.randn(n, units, dtype=torch.float64, generator=stream(seed, "planted", "sources"))
        if self.kind == "relu_sources":
            sources = sources.relu_().sub_(1 / math.sqrt(2 * math.pi)).div_(math.sqrt(0.5 - 0.5 / math.pi))
        scale = torch.arange(1, units + 1, dtype=torch.float64) ** (-self.alpha / 2)
        responses = (sources * scale) @ self.basis.T
        return responses.relu_() if self.kind == "relu" else responses


def random_basis(units: int, seed: int = 0) -> Float[Tensor, "units units"]:
    """A uniformly (Haar) distributed orthonormal matrix, float64.

    The QR decomposition of a Gaussian matrix with the signs of R's diagonal moved to Q: F. Mezzadri, How to generate
    random matrices from the classical compact groups, Notices of the AMS 54 (2007), section 5.

    >>> q = random_basis(3)
    >>> torch.testing.assert_close(q.T @ q, torch.eye(3, dtype=torch.float64))
    """
    gaussian = torch.randn(units, units, dtype=torch.float64, generator=stream(seed, "planted", "basis"))
    q, r = torch.linalg.qr(gaussian)
    signed: Tensor = q * r.diagonal().sign()
    return signed


def relu_covariance(covariance: Float[Tensor, "units units"]) -> Float[Tensor, "units units"]:
    """Covariance of max(x, 0) for x ~ N(0, S), in closed form.

    With correlation rho = S_ij / (s_i s_j):
    Cov_ij = s_i s_j (sqrt(1 - rho^2) + rho (pi - arccos rho) - 1) / (2 pi).

    Source: Y. Cho, L. Saul, Kernel methods for deep learning (NIPS 2009), eq. 1 and 6 for n = 1.  Differs from
    their kernel by the factor 1/2 of the expectation and by the product of the means, s_i s_j / (2 pi).

    >>> relu_covariance(torch.eye(1, dtype=torch.float64))  # 1/2 - 1/(2 pi)
    tensor([[0.3408]], dtype=torch.float64)
    """
    sd = covariance.diagonal().sqrt()
    scale = torch.outer(sd, sd)
    rho = torch.where(scale > 0, covariance / scale, 0).clamp(-1, 1).fill_diagonal_(1)
    return scale * ((1 - rho * rho).sqrt() + rho * (math.pi - rho.arccos()) - 1) / (2 * math.pi)
