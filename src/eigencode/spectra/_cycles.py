"""Unbiased moments Σ λᵢᵖ of a signal covariance from noisy repeats, and their sampling covariance over stimuli."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eigencode.spectra._repeats import halves

BLOCK = 750
"""Largest number of pairs of stimuli whose products are formed together; more are averaged over blocks, drawn anew in
every pairing, which loses nothing to first order in 1/n and keeps time linear in the number of stimuli."""


@dataclass(frozen=True)
class SpectralMoments:
    """Moments and their influences.

    values: estimate of Σ (λᵢ / scale)ᵖ, p = 1..P.
    covariance: sampling covariance of `values` over stimuli.
    pairs: number of pairs of stimuli in each pairing.
    """

    values: Float[Tensor, " p"]
    covariance: Float[Tensor, "p p"]
    scale: float
    pairs: int


def cycles(a: Float[Tensor, "n n"], count: int) -> tuple[Float[Tensor, " p"], Float[Tensor, "n p"]]:
    """Unbiased moments from products A = X₁X₂ᵀ of independent, centred rows, and their expectation given each row.

    m̂ₚ = tr(Fᵖ⁻¹ A) / C(n, p), F the strictly upper triangle of A: the mean over all i₁ < … < iₚ of the cycle
    A[i₁,i₂] A[i₂,i₃] … A[iₚ,i₁], in which every row stands once in X₁ and once in X₂.  With noise that is independent
    between X₁ and X₂ every cycle has expectation Σ λᵢᵖ.  The second result is the mean over the cycles through row i,
    Σₖ (Fᵖ⁻¹⁻ᵏ A Fᵏ)[i,i] / C(n − 1, p − 1).

    Source: W. Kong, G. Valiant, Spectrum estimation from samples, Ann. Stat. 45 (2017), algorithm 1, for one matrix;
    D. Pospisil, J. Pillow, PNAS 2025, for two repeats.  The conditional means are those of Hoeffding (1948).

    >>> a = torch.tensor([[9.0, 2.0, 3.0], [4.0, 9.0, 5.0], [6.0, 7.0, 9.0]], dtype=torch.float64)
    >>> cycles(a, 3)[0].tolist()  # (9 + 9 + 9) / 3, (2 4 + 3 6 + 5 7) / 3, 2 5 6
    [9.0, 20.333333333333332, 60.0]
    """
    n = len(a)
    f = a.triu(1)
    powers, ends = [f], [a]
    for _ in range(count - 1):
        ends.append(f @ ends[-1])
    for _ in range(count - 2):
        powers.append(f @ powers[-1])
    through = torch.stack([ends[p].diagonal() for p in range(count)], 1)
    for p in range(1, count):
        for k in range(1, p + 1):
            through[:, p] += torch.einsum("ij,ji->i", ends[p - k], powers[k - 1])
    order = torch.arange(1, count + 1, dtype=a.dtype, device=a.device)
    whole = through.new_tensor([float(math.comb(n, p + 1)) for p in range(count)])
    rest = through.new_tensor([float(math.comb(n - 1, p)) for p in range(count)])
    return through.sum(0) / order / whole, through / rest


def spectral_moments(
    x: Float[Tensor, "repeats stimuli units"],
    present: Bool[Tensor, "repeats stimuli"],
    count: int,
    pairings: int,
    generator: torch.Generator,
) -> SpectralMoments:
    """Average `cycles` over random pairings, orders and splits of the repeats.

    In every pairing the stimuli are joined in random pairs, whose scaled difference (x − y)/√2 has mean zero and the
    covariance of x, and the repeats of every stimulus are split at random into two halves, which are averaged: over
    many splits all pairs of different repeats count alike.  With one repeat both halves are that repeat.

    Covariance: with I the influence p (conditional mean − m̂ₚ) of a stimulus in one pairing, V the mean of IIᵀ over
    stimuli and pairings, and Q that of the mean influences over the B pairings, (2 Q − V / B) / pairs.  The first-order
    effect of a stimulus is common to all pairings, that of its partner is not, and averages out.
    """
    stimuli = x.shape[1]
    half = stimuli // 2
    blocks = -(-half // BLOCK)
    size = half // blocks
    used = 2 * size * blocks
    values, influences, scale = [], [], 0.0
    for _ in range(pairings):
        order = torch.randperm(stimuli, generator=generator)[:used]
        first, second = ((one[0::2] - one[1::2]) / math.sqrt(2) for one in halves(x, present, order, generator))
        scale = scale or float(first.square().sum(1).mean())
        parts = [cycles(a / scale, count) for a in _products(first, second, size)]
        values.append(torch.stack([m for m, _ in parts]).mean(0).cpu())
        mean = torch.cat([h for _, h in parts]).cpu() - values[-1]
        spread = mean.new_zeros(stimuli, count)
        spread[order] = mean.repeat_interleave(2, 0) * torch.arange(1, count + 1, dtype=mean.dtype)
        influences.append(spread)
    every = torch.stack(influences)
    single = torch.einsum("bsp,bsq->pq", every, every) / (pairings * used)
    common = every.mean(0)
    common = common.T @ common / used
    covariance = (2 * common - single / pairings) / (size * blocks)
    return SpectralMoments(torch.stack(values).mean(0), _positive(covariance), scale, size * blocks)


def _products(first: Tensor, second: Tensor, size: int) -> list[Tensor]:
    """Products X₁X₂ᵀ of blocks of rows."""
    starts = range(0, len(first), size)
    return [first[start : start + size] @ second[start : start + size].T for start in starts]


def _positive(covariance: Tensor) -> Tensor:
    """The covariance without negative eigenvalues, in units of its diagonal."""
    sd = covariance.diagonal().clamp_min(torch.finfo(covariance.dtype).tiny).sqrt()
    values, vectors = torch.linalg.eigh(covariance / sd / sd[:, None])
    out: Tensor = (vectors * values.clamp_min(0)) @ vectors.T * sd * sd[:, None]
    return out
