"""Unbiased moments Σ λᵢᵖ of a signal covariance from noisy repeats, and their sampling covariance over stimuli."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.groups import Groups
from eigencode.spectra._repeats import split

BLOCK = 750
"""Largest number of pairs of stimuli whose products are formed together; more are averaged over blocks, drawn anew in
every pairing, which loses nothing to first order in 1/n and keeps time linear in the number of stimuli."""

STRIP = 100
"""Smallest number of rows of a triangular matrix that are multiplied together."""

PAIRS = 100
"""Smallest number of pairs of groups in a block, if there are so many; of large groups some stimuli are then drawn."""


@dataclass(frozen=True)
class SpectralMoments:
    """Moments and their influences.

    values: estimate of Σ (λᵢ / scale)ᵖ, p = 1..P.
    covariance: sampling covariance of `values` over stimuli.
    pairs: number of pairs of stimuli in each pairing.
    carriers: effective number of stimuli, or groups, that carry the error of Σ λᵢ: (Σ J²)² / Σ J⁴ of their influences
        J.  A third of all if J is normal; few if a few are much larger than the others.
    """

    values: Float[Tensor, " p"]
    covariance: Float[Tensor, "p p"]
    scale: float
    pairs: int
    carriers: float


def cycles(
    first: Float[Tensor, "n units"],
    second: Float[Tensor, "n units"],
    count: int,
    part: Int[Tensor, " n"] | None = None,
    weights: tuple[int, ...] | None = None,
) -> tuple[Float[Tensor, " p"], Float[Tensor, "parts p"]]:
    """Unbiased moments from products A = X₁X₂ᵀ of independent, centred rows, and their expectation given each row.

    m̂ₚ = tr(Fᵖ⁻¹ A) / C(n, p), F the strictly upper triangle of A: the mean over all i₁ < … < iₚ of the cycle
    A[i₁,i₂] A[i₂,i₃] … A[iₚ,i₁], in which every row stands once in X₁ and once in X₂.  With noise that is independent
    between X₁ and X₂ every cycle has expectation Σ λᵢᵖ.  The second result is the mean over the cycles through row i,
    Σₖ (Fᵖ⁻¹⁻ᵏ A Fᵏ)[i,i] / C(n − 1, p − 1), from FᵏX₁ and (Fᵀ)ᵏX₂, or FᵏA and (Fᵀ)ᵏ where there are many units.

    Where rows belong together, only rows of different parts are multiplied: F holds A[i,j] for part i < part j, and the
    second result is that of the parts.  The rows of X₁ and X₂ are then scaled by the roots of weights, which in each
    part add up to its weight, and `normalisers` take the place of the numbers of cycles.

    Args:
        part: number of the part of every row, ascending from 0; by default every row is one.
        weights: weights of the parts, in any unit; those of the rows add up to them, in units of their mean.

    Source: W. Kong, G. Valiant, Spectrum estimation from samples, Ann. Stat. 45 (2017), algorithm 1, for one matrix;
    D. Pospisil, J. Pillow, PNAS 2025, for two repeats.  The conditional means are those of Hoeffding (1948).

    >>> a = torch.tensor([[9.0, 2.0, 3.0], [4.0, 9.0, 5.0], [6.0, 7.0, 9.0]], dtype=torch.float64)
    >>> one = torch.eye(3, dtype=torch.float64)
    >>> cycles(a, one, 3)[0].tolist()  # (9 + 9 + 9) / 3, (2 4 + 3 6 + 5 7) / 3, 2 5 6
    [9.0, 20.333333333333332, 60.0]
    >>> found = cycles(a / 1.5, one, 2, torch.tensor([0, 0, 1]), (2, 1))[0]
    >>> [round(float(m), 6) for m in found]  # (9 + 9 + 9) / 3, (3 6 + 5 7) / 2
    [9.0, 26.5]
    """
    n, part = len(first), None if part is None else part.to(first.device)
    a = first @ second.T
    f = a.triu(1) if part is None else a.masked_fill(part[:, None] >= part, 0.0)
    if first.shape[1] > n:  # powers of F then take less time than its products with X₁ and X₂
        first, second = a, torch.eye(n).to(a)
    ahead, behind = (x.new_empty(n, count, x.shape[1]) for x in (first, second))
    ahead[:, 0], behind[:, 0] = first, second
    step = max(STRIP, -(-n // 4))
    for k, i in product(range(1, count), range(0, n, step)):
        rows = slice(i, i + step)
        torch.mm(f[rows, i:], ahead[i:, k - 1], out=ahead[rows, k])
        torch.mm(f[: i + step, rows].T, behind[: i + step, k - 1], out=behind[rows, k])
    both = (ahead @ behind.mT).flip(1)
    through = torch.stack([both.diagonal(p, 1, 2).sum(1) for p in range(1 - count, 1)], 1)
    order = torch.arange(1, count + 1, dtype=a.dtype, device=a.device)
    whole, rest, _ = (v.to(through) for v in normalisers(weights or (1,) * n, count))
    values = through.sum(0) / order / whole
    if part is not None:
        through = torch.zeros_like(rest).index_add_(0, part, through)
    return values, through / rest


@lru_cache(8)
def normalisers(
    weights: tuple[int, ...], count: int
) -> tuple[Float[Tensor, " p"], Float[Tensor, "parts p"], Float[Tensor, "parts p"]]:
    """Total weight of all cycles of p groups, of those through each group, and each group's share times their number.

    With weights w of mean 1: eₚ(w) = Σ over i₁ < … < iₚ of w[i₁] … w[iₚ], wᵢ eₚ₋₁(w without i), and n times the ratio
    of these.  In integers, since eₚ(w without i) = eₚ(w) − wᵢ eₚ₋₁(w without i) may lose all digits of floats.

    >>> [v.tolist() for v in normalisers((1, 1, 1), 2)]
    [[3.0, 3.0], [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]]
    """
    n, total = len(weights), sum(weights)
    sums = [1, *[0] * count]
    for w in weights:
        for p in range(count, 0, -1):
            sums[p] += w * sums[p - 1]
    unit = [(n**p, total**p) for p in range(1, count + 1)]
    through = {}
    for w in set(weights):
        without = [1]
        for p in range(1, count):
            without.append(sums[p] - w * without[-1])
        through[w] = [w * e for e in without]
    whole = [e * up / down for e, (up, down) in zip(sums[1:], unit, strict=True)]
    rest = {w: [e * up / down for e, (up, down) in zip(of, unit, strict=True)] for w, of in through.items()}
    share = {w: [n * e / all_of_them for e, all_of_them in zip(of, sums[1:], strict=True)] for w, of in through.items()}
    made = [
        torch.tensor(v, dtype=torch.float64) for v in (whole, [rest[w] for w in weights], [share[w] for w in weights])
    ]
    return made[0], made[1], made[2]


def spectral_moments(
    x: Float[Tensor, "repeats stimuli units"],
    present: Bool[Tensor, "repeats stimuli"],
    count: int,
    pairings: int,
    generator: torch.Generator,
    groups: Groups | None = None,
) -> SpectralMoments:
    """Average `cycles` over random pairings, orders and splits of the repeats.

    In every pairing the stimuli are joined in random pairs, whose scaled difference (x − y)/√2 has mean zero and the
    covariance of x, and the repeats of every stimulus are split at random into two halves, which are averaged: over
    many splits all pairs of different repeats count alike.  With one repeat both halves are that repeat.

    With groups these are joined in random pairs, and their stimuli, see `_matched`; differences of one pair of groups
    are never multiplied with each other.  A pair of groups of m and n stimuli weighs m n, so that stimuli count alike.

    Covariance: with I the influence of a stimulus in one pairing, p (conditional mean − m̂ₚ), V the mean of IIᵀ over
    stimuli and pairings, and Q that of the mean influences over the B pairings, (2 Q − V / B) / pairs.  The first-order
    effect of a stimulus is common to all pairings, that of its partner is not, and averages out.  With groups, these
    take the place of the stimuli, and n wᵢ eₚ₋₁ / eₚ that of p (`normalisers`); the influence is divided by one minus
    the share of the pair in all weights, as for the residuals of a weighted mean: unequal groups have large shares.
    """
    members = x.shape[1] if groups is None else groups.count
    half = members // 2
    blocks = -(-(x.shape[1] // 2) // BLOCK)
    blocks = blocks if groups is None else max(1, min(blocks, half // PAIRS))
    size = half // blocks
    used = 2 * size * blocks
    values, influences, scale = [], [], 0.0
    for _ in range(pairings):
        order = torch.randperm(members, generator=generator)[:used]
        made = _alone(order, size) if groups is None else _matched(groups, order, size, BLOCK * blocks, generator)
        stimuli, roots = torch.cat([b.stimuli for b in made]), torch.cat([b.roots for b in made]).to(x.device)
        first, second = ((one[0::2] - one[1::2]) / math.sqrt(2) for one in split(x, present, stimuli, generator))
        scale = scale or float(first.square().sum(1).mean())
        if groups is not None:
            first, second = first * roots[:, None], second * roots[:, None]
        rows = [len(b.roots) for b in made]
        pairs = zip(torch.split(first / (scale or 1.0), rows), torch.split(second, rows), made, strict=True)
        parts = [cycles(one, two, count, block.part, block.weights) for one, two, block in pairs]
        values.append(torch.stack([m for m, _ in parts]).mean(0).cpu())
        mean = torch.cat([h for _, h in parts]).cpu() - values[-1]
        share = torch.cat([normalisers(b.weights, count)[2] for b in made])
        spread = mean.new_zeros(members, count)
        influence = mean * share
        if groups is not None:
            influence /= (1 - share[:, :1] / (size * blocks)).clamp_min(1e-9)  # a single pair has all of it
        spread[order] = influence.repeat_interleave(2, 0)
        influences.append(spread)
    every = torch.stack(influences)
    single = torch.einsum("bsp,bsq->pq", every, every) / (pairings * used)
    mean = every.mean(0)
    common = mean.T @ mean / used
    covariance, least = (2 * common - single / pairings) / (size * blocks), single / pairings / (size * blocks)
    squares = mean[:, 0].square()
    carriers = float(squares.sum().square() / squares.square().sum())
    covariance = _positive(covariance, least.diagonal())
    return SpectralMoments(torch.stack(values).mean(0), covariance, scale, size * blocks, carriers)


@dataclass(frozen=True)
class _Block:
    """Differences of stimuli 2i and 2i + 1, the part of each, the roots of their weights, and the weights of the parts.

    `part` is None if every difference is a part of its own.
    """

    stimuli: Int[Tensor, " rows2"]
    part: Int[Tensor, " rows"] | None
    roots: Float[Tensor, " rows"]
    weights: tuple[int, ...]


def _alone(order: Tensor, size: int) -> list[_Block]:
    """Blocks of pairs of independent stimuli."""
    return [
        _Block(two, None, torch.ones(size, dtype=torch.float64), (1,) * size) for two in torch.split(order, 2 * size)
    ]


def _matched(groups: Groups, order: Tensor, size: int, most: int, generator: torch.Generator) -> list[_Block]:
    """Blocks of pairs of groups, whose stimuli are matched at random.

    The smaller group of a pair is repeated until every stimulus of the larger one has a partner.  If there are more
    than `most` differences, every pair of groups has fewer of them, at random, and at least one.
    """
    mixed = torch.randperm(len(groups.of_row), generator=generator)
    mixed = mixed[groups.of_row[mixed].argsort(stable=True)]  # the stimuli of each group one after the other
    start, sizes = groups.sizes.cumsum(0) - groups.sizes, groups.sizes
    pairs = order.reshape(-1, 2)
    longest = sizes[pairs].amax(1)
    rows = (longest * min(1.0, most / int(longest.sum()))).ceil().long()
    weights = sizes[pairs].prod(1)
    made = []
    for of, count, weight in zip(*(torch.split(v, size) for v in (pairs, rows, weights)), strict=True):
        part = torch.arange(len(of)).repeat_interleave(count)
        place = torch.arange(len(part)) - (count.cumsum(0) - count)[part]
        stimuli = mixed[start[of[part]] + place[:, None] % sizes[of[part]]]
        roots = (weight / weight.double().mean() / count)[part].sqrt()
        made.append(_Block(stimuli.flatten(), part, roots, tuple(weight.tolist())))
    return made


def _positive(covariance: Tensor, least: Tensor) -> Tensor:
    """The covariance without variances below `least`, those of independent pairings, and without negative eigenvalues.

    Of few stimuli the estimate 2 Q − V / B of a variance may be smaller, or negative.  Eigenvalues are those of the
    covariance in units of its diagonal.
    """
    tiny = torch.finfo(covariance.dtype).tiny
    covariance = covariance + (least - covariance.diagonal()).clamp_min(0).diag()
    sd = covariance.diagonal().clamp_min(tiny).sqrt()
    values, vectors = torch.linalg.eigh(covariance / sd / sd[:, None])
    out: Tensor = (vectors * values.clamp_min(0)) @ vectors.T * sd * sd[:, None]
    return out
