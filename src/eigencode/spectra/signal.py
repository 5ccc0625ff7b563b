"""`signal_spectrum(repeats)`: spectrum of the signal in noisy responses, from unbiased spectral moments (MEME)."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.groups import Groups
from eigencode.base.inputs import at_least
from eigencode.base.record import Estimate, Record
from eigencode.base.seeding import stream
from eigencode.spectra._cycles import SpectralMoments, spectral_moments
from eigencode.spectra._law_intervals import LawFit
from eigencode.spectra._moment_laws import Ranks, Target, identified_rank
from eigencode.spectra._repeats import copied, drift, repeats_of

Law = Literal["power law", "broken power law"]

NOISIEST = 0.5
"""The fit uses only moments whose relative standard error is at most this."""

REJECTED = 0.01
"""Probability of the residual below which a law is rejected."""

PARAMETERS = 4
"""Parameters of the broken law, and the smallest number of moments that it is fitted to."""

SHORT = 10
"""A law that is identified for fewer ranks gets a warning."""

FEW = 60
"""With fewer stimuli, or groups, intervals are too short: in simulations of 12 to 40 they hold α in 67 to 94 %."""

CARRIERS, SHARE = 15, 0.05
"""Responses have heavy tails if the error of the total is that of fewer equal stimuli than this, in number and as a
share of all.  Of simulations with two repeats and as much noise as signal this finds 65 % (150 stimuli) and 96 % (600)
of those with a t distribution of three degrees of freedom, 17 to 60 % of those with five, none of 300 Gaussian ones; of
Gaussian ones without noise 2 % with α = 1.5, and 7 % where one direction has nearly all variance (300 stimuli)."""


@dataclass(frozen=True)
class SignalSpectrum(Record):
    """Power laws of a signal spectrum, fitted to its spectral moments; λₙ of the population of stimuli.

    power law:         λₙ = λ₁ n^(−alpha)
    broken power law:  λₙ = λ₁ n^(−alpha_1) up to the rank `break_rank`, and ∝ n^(−alpha_2) beyond, continuous

    Both hold for n = 1..n_units.  Intervals are 95 %, over stimuli.  `p`, `p_broken`: probability of a larger residual
    under the law; NaN where the law has as many parameters as there are moments.  Fewer than four moments leave the
    broken law NaN.  `law`: the power law, unless it is rejected (p < 0.01) and the broken one fits better.
    `identified_rank`: the largest rank that matters to the moments; a spectrum of the best law that ended before it
    would change them by two standard errors.  What is said of later ranks is the law, not the data.

    `total`: variance of the signal Σ λₙ.  `participation_ratio`: (Σλ)² / Σλ² of the signal; neither assumes a law.
    `moments`: estimates of Σ (λₙ / scale)ᵖ, p = 1..P, and `covariance` of their errors; `moments[p − 1] * scale ** p`
    is unbiased.  The fits use the first `used` of them, those with a relative standard error below 1/2.

    `n_groups`: number of independent groups of stimuli that belong together, of unequal ones the effective number
    (Σ m)² / Σ m²; 0 if every stimulus is independent.

    Constant units are left out: `n_units` are those that vary.  `warnings` could reverse a comparison; `notes` tell how
    to read the numbers.
    """

    alpha: Estimate
    p: float
    alpha_1: Estimate
    break_rank: Estimate
    alpha_2: Estimate
    p_broken: float
    law: str
    identified_rank: int
    total: Estimate
    participation_ratio: Estimate
    largest: tuple[float, float]
    moments: Float[Tensor, " p"]
    covariance: Float[Tensor, "p p"]
    scale: float
    used: int
    n_samples: int
    n_units: int
    n_repeats: int
    pairings: int
    seed: int = 0
    n_groups: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def eigenvalues(self, law: Law | None = None) -> Float[Tensor, " units"]:
        """λₙ of a fitted law, n = 1..n_units; by default of `law`."""
        admit(SignalSpectrum.eigenvalues, locals())
        law = law or self.law  # type: ignore[assignment]
        n = torch.arange(1, self.n_units + 1, dtype=torch.float64)
        if law == "power law":
            return self.largest[0] * n**-self.alpha.value
        if law != "broken power law":
            raise InputError("unknown law", got=law, wanted="'power law' or 'broken power law'")
        before = n.clamp_max(self.break_rank.value)
        return self.largest[1] * before**-self.alpha_1.value * (n / before) ** -self.alpha_2.value

    def __str__(self) -> str:
        broken = ""
        if math.isfinite(self.alpha_1.value):
            better = "; the broken law fits better" if self.law != "power law" else ""
            broken = f"; broken: {self.alpha_1} | {self.break_rank} | {self.alpha_2}, p = {self.p_broken:.2g}{better}"
        said = "".join(f"\n! {warning}" for warning in self.warnings)
        return f"alpha = {self.alpha}, p = {self.p:.2g}{broken}; identified up to rank {self.identified_rank}{said}"


def signal_spectrum(
    responses: Array,
    *,
    moments: int = 10,
    pairings: int = 8,
    draws: int = 200,
    seed: int = 0,
    groups: Array | None = None,
) -> SignalSpectrum:
    """Signal spectrum of noisy responses from repeats of the same stimuli, by its spectral moments (MEME).

    m̂ₚ = mean over i₁ < … < iₚ of A[i₁,i₂] A[i₂,i₃] … A[iₚ,i₁],  A = X₁X₂ᵀ, is unbiased for Σₙ λₙᵖ of the signal, where
    X₁ and X₂ are the means of two halves of the repeats, and their rows differences of two stimuli, (x − y)/√2.  It is
    averaged over random pairs of stimuli, orders and halves, so all repeats and all pairs of them count.

    A power law and a broken one are fitted to log m̂ₚ by least squares, weighted by the covariance C of the moments over
    stimuli: minimise ‖W (log mₚ(law) − log m̂ₚ)‖², W = (C + 0.01 diag C)^(−½), 0 <= α <= 10, from 24 candidate breaks.
    Intervals are the 2.5 % and 97.5 % quantiles of fits to moments drawn around those of the fitted law, with C.

    Noise must be independent between repeats and between stimuli, with the mean zero; it may differ between stimuli,
    be correlated between units, and have any distribution.  A gain that varies from presentation to presentation is
    such noise.  Where cvPCA is biased by noisy directions, this is not; but it gives laws, not single eigenvalues.

    Args:
        responses: `repeats x stimuli x units`; all NaN where a stimulus was shown less often.  Or `stimuli x units` for
            a deterministic code, also with fewer stimuli than units; noise would count as signal.
        moments: number of moments, at most a tenth of the number of stimuli (or groups), and at least two: the
            covariance of more is not known well enough.  Later ones hold only the first eigenvalues.
        pairings: number of random pairings to average over; the variance falls towards half of that of one.
        draws: number of fits for the intervals and for `p`, at least 100: with fewer no law could be rejected.
        seed: of pairings and draws.
        groups: a label per stimulus, the same for stimuli that belong together: frames of one film, augmentations of
            one image.  Only responses to stimuli of different groups are then multiplied with each other, and C and the
            intervals (draws of a multivariate t) are over groups.  There are no laws with fewer than ten.

    Returns:
        A `SignalSpectrum`; read its `warnings`.  Its numbers are NaN where the repeats share no variance.

    Raises:
        InputError: wrong shapes, Inf, presentations with some NaN, fewer than 8 stimuli shown twice, no variation,
            groups that do not fit, or a single one.

    Warns:
        EigencodeWarning: identical repeats, or copies of presentations among them.

    Source: D. Pospisil and J. Pillow, PNAS 2025 (MEME); W. Kong and G. Valiant, Ann. Stat. 45 (2017), algorithm 1.
    Differs from MEME by several pairings, any number of repeats, logarithms of the moments (corrected by half their
    variance) in the fit, and C from influences of stimuli instead of a bootstrap over pairs.

    >>> g = torch.Generator().manual_seed(0)
    >>> signal = torch.randn(500, 60, dtype=torch.float64, generator=g) * torch.arange(1, 61) ** -0.5
    >>> noisy = signal + 0.3 * torch.randn(3, 500, 60, dtype=torch.float64, generator=g)
    >>> found = signal_spectrum(noisy, pairings=4)
    >>> round(found.alpha.value, 1), found.law, found.warnings
    (1.0, 'power law', ())
    """
    admit(signal_spectrum, locals())
    at_least(2, moments=moments)
    at_least(1, pairings=pairings)
    at_least(100, draws=draws)
    x, present, numbers, notes = repeats_of(responses, groups=groups)
    together = Groups.of(numbers)
    if together is not None and together.count == 1:
        raise InputError(
            "all stimuli are one group",
            got=f"{x.shape[1]} stimuli of one group",
            wanted="two groups or more, ten for a law",
        )
    if len(x) == 1:
        notes.append("one repeat: noise, if there is any, counts as signal")
    elif _identical(x, present):
        said = "the repeats are identical: this is the spectrum of the responses, and noise is in it"
        warnings.warn(said, EigencodeWarning, stacklevel=2)
    elif said := copied(x, present):
        warnings.warn(said, EigencodeWarning, stacklevel=2)
    x = _varying(x, present, notes)
    members = x.shape[1] if together is None else round(together.effective)
    count = min(moments, max(members // 10, 2 if members >= 8 else 1))
    found = spectral_moments(x, present, count, pairings, stream(seed, "signal", "pairings"), together)
    record = _record(found, x, pairings, draws, seed, notes, together)
    said = drift(x, present, record.total.value)
    return replace(record, warnings=(*record.warnings, said)) if said else record


def _identical(x: Tensor, present: Tensor) -> bool:
    """True if every stimulus has the same responses in all its repeats, and some have several."""
    several = present.sum(0) > 1
    first = x[present.int().argmax(0), torch.arange(x.shape[1])]
    same = (x == first).all(2).cpu() | ~present
    return bool(several.any()) and bool(same[:, several].all())


def _varying(x: Tensor, present: Tensor, notes: list[str]) -> Tensor:
    """The responses of the units that vary: constant ones would take ranks of the law."""
    shown = x[present.to(x.device)]
    varies = shown.amax(0) > shown.amin(0)
    constant = int((~varies).sum())
    if constant:
        notes.append(f"{constant} constant unit{'s' * (constant > 1)} left out")
    return x[..., varies] if constant else x


def _record(
    found: SpectralMoments,
    x: Tensor,
    pairings: int,
    draws: int,
    seed: int,
    notes: list[str],
    groups: Groups | None,
) -> SignalSpectrum:
    """The record of moments that are known well enough, with the laws fitted to them."""
    repeats, stimuli, units = x.shape
    m, covariance, scale = found.values, found.covariance, found.scale
    usable = (m > 0) & (covariance.diagonal().sqrt() < NOISIEST * m)
    used = int(usable.long().cumprod(0).sum())
    few = groups.too_few if groups is not None else ""
    members = stimuli if groups is None else round(groups.effective)
    freedom = members - 1 if groups is not None or members < FEW else 0
    reach = float(stdtrit(freedom, 0.975)) if freedom else 1.96

    def estimate(value: float, low: float = math.nan, high: float = math.nan) -> Estimate:
        over = f"{groups.count} groups of stimuli" if groups is not None else "stimuli"
        return Estimate(value, low, high, stimuli, "" if math.isnan(low) else f"95 % over {over}")

    doubts = tuple(_doubts(members, found.carriers, "groups" if groups is not None else "stimuli"))
    unknown, half = estimate(math.nan), math.nan if few else reach * float(covariance[0, 0].sqrt())
    record = SignalSpectrum(
        alpha=unknown,
        p=math.nan,
        alpha_1=unknown,
        break_rank=unknown,
        alpha_2=unknown,
        p_broken=math.nan,
        law="power law",
        identified_rank=0,
        total=estimate(float(m[0]) * scale, *((float(m[0]) + z * half) * scale for z in (-1, 1))),
        participation_ratio=unknown,
        largest=(math.nan, math.nan),
        moments=m,
        covariance=covariance,
        scale=scale,
        used=used,
        n_samples=stimuli,
        n_units=units,
        n_repeats=repeats,
        pairings=pairings,
        seed=seed,
        n_groups=members if groups is not None else 0,
        warnings=(
            few or f"too little signal: {used} of {len(m)} moments are known to better than half their size",
            *(() if few else doubts),
        ),
        notes=tuple(notes),
    )
    if few or used < 2 or units < 2:
        return replace(record, warnings=("one unit has no law",)) if units < 2 else record
    relative = covariance[:used, :used] / m[:used] / m[:used, None]
    target, ranks = Target.of(m[:used].log() + relative.diagonal() / 2, relative, freedom), Ranks.of(units)
    straight = LawFit.of(target, ranks, broken=False, draws=draws, seed=seed)
    enough = min(used, units) >= PARAMETERS
    bent = LawFit.of(target, ranks, broken=True, draws=draws, seed=seed) if enough else None
    broken = bent is not None and straight.p < REJECTED and not bent.p <= straight.p
    best = bent if bent is not None and broken else straight
    alpha_1, break_rank, alpha_2 = (estimate(*v) for v in bent.estimates()) if bent else (unknown,) * 3
    rank = identified_rank(best.fitted, target, ranks)
    row = torch.tensor([2.0, -1.0], dtype=torch.float64)
    log_ratio, sd = float(row @ target.logs[:2]), float((row @ relative[:2, :2] @ row).sqrt())
    return replace(
        record,
        alpha=estimate(*straight.estimates()[0]),
        p=straight.p,
        alpha_1=alpha_1,
        break_rank=break_rank,
        alpha_2=alpha_2,
        p_broken=bent.p if bent else math.nan,
        law="broken power law" if broken else "power law",
        identified_rank=rank,
        participation_ratio=estimate(*(math.exp(log_ratio + z * sd) for z in (0, -reach, reach))),
        largest=(straight.largest * scale, bent.largest * scale if bent else math.nan),
        warnings=(*_warnings(best.p, rank, break_rank.value if broken else 0.0), *doubts),
    )


def _warnings(p: float, rank: int, break_rank: float) -> Iterator[str]:
    """What could reverse a comparison of exponents."""
    if rank < SHORT:
        yield f"the moments identify ranks 1..{rank} only: the exponents are those of few eigenvalues"
    if p < REJECTED:
        yield f"no law fits the moments (p = {p:.2g}): the exponents are mean slopes"
    if rank < 2 * break_rank:
        yield f"the break at {break_rank:.3g} is close to the last identified rank, {rank}: alpha_2 is not known"


def _doubts(members: int, carriers: float, what: str) -> Iterator[str]:
    """Why intervals are too narrow."""
    if members < FEW:
        yield f"{members} {what} are few: intervals of 95 % hold the truth less often than that"
    elif carriers < min(CARRIERS, SHARE * members):
        yield (
            f"a few {what} carry most of the sampling error (heavy tails), as if there were {carriers:.0f} and not "
            f"{members}: intervals may be too narrow; take more {what}"
        )
