"""How many dimensions a spectrum has, under the published definition of each measure."""

import torch
from jaxtyping import Float
from torch import Tensor


def participation_ratio(eigenvalues: Float[Tensor, " rank"]) -> float:
    """Participation ratio (Σλ)² / Σλ²: k for k equal eigenvalues (Gao et al. 2017, eq. 6).

    >>> participation_ratio(torch.tensor([2.0, 2.0, 0.0], dtype=torch.float64))
    2.0
    """
    return float(eigenvalues.sum().square() / eigenvalues.square().sum())


def entropy_rank(values: Float[Tensor, " rank"], epsilon: float = 0.0) -> float:
    """exp(−Σ pₖ log pₖ) with pₖ = valueₖ/Σ values + ε, and 0 log 0 = 0."""
    p = values / values.sum() + epsilon
    return float((-torch.xlogy(p, p).sum()).exp())


def rankme(eigenvalues: Float[Tensor, " rank"], epsilon: float = 1e-7) -> float:
    """RankMe of the centred responses: exponential of the entropy of their *singular values* σ = √λ.

    pₖ = σₖ/Σσ + ε with ε = 1e-7 (Garrido et al. 2023, eqs. 1-2).  Differs from the paper by centring: there the
    singular values are those of the raw embedding matrix; and from the participation ratio by the entropy and by
    singular values in place of eigenvalues.

    >>> round(rankme(torch.ones(8, dtype=torch.float64)), 3)
    8.0
    """
    return entropy_rank(eigenvalues.clamp_min(0).sqrt(), epsilon)
