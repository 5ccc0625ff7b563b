"""`cross_spectrum(a, b)`: variance that two systems share, along directions found on other stimuli."""

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.arrays import Array, tensor
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.groups import Groups, groups_of
from eigencode.base.record import host
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvectors, gram, refuse_unsquarable
from eigencode.spectra.cvpca import with_influence
from eigencode.spectra.spectrum import Spectrum

FEWEST = 4
"""Stimuli per fold, or groups of them."""


def cross_spectrum(
    a: Array, b: Array, *, folds: int = 5, repetitions: int = 1, seed: int = 0, groups: Array | None = None
) -> Spectrum:
    """Held-out spectrum of the covariance between two systems that saw the same stimuli.

    σ̂ₙ = Σᵢ (aᵢ·uₙ)(bᵢ·vₙ) / (N − folds), over the stimuli i of each fold in turn, with uₙ, vₙ the singular vectors of
    the cross-covariance AᵀB of all other stimuli, and units centred over the stimuli of each fold.  With groups only
    stimuli of different groups are compared, as (aᵢ − aⱼ)·uₙ (bᵢ − bⱼ)·vₙ / 2: those of one group share their mean.

    For two brains, or a brain and a network: noise of one system that is independent of the other has expectation zero
    in σ̂.  Values may be negative, and late ones scatter around zero.  Directions are noisy, so leading values are
    biased downwards; singular values of AᵀB itself are biased upwards, by noise and by chance correlations.  For a
    system and itself σ̂ are held-out variances, as in `spectra.heldout_spectrum`.

    Args:
        a, b: responses `stimuli x units` to the same stimuli in the same order; the units may differ in number.
        folds: number of parts of the stimuli, each tested with the directions of the others.
        repetitions: number of random divisions into folds to average over.
        seed: of the divisions.
        groups: a label per stimulus, the same for stimuli that belong together, which then share a fold.

    Returns:
        A `Spectrum` of kind `"cross-covariance"`, values in the order of the directions (not sorted), in the product of
        the units of a and b; `n_units` is the smaller number of units.  Its standard errors are those at fixed
        directions.  Directions of other stimuli would differ as well, so that α of other stimuli spreads more.

    Raises:
        InputError: different numbers of stimuli, NaN or Inf, fewer than 4 stimuli per fold, or a constant system.

    Source: the held-out test of partial least squares (SVD of the cross-covariance; A. R. McIntosh et al., NeuroImage 3
    (1996)), with the cross-validation of C. Stringer et al., Nature 571 (2019).

    >>> g = torch.Generator().manual_seed(0)
    >>> shared = torch.randn(3000, 3, dtype=torch.float64, generator=g) * torch.tensor([3.0, 2.0, 1.0])
    >>> a = shared + torch.randn(3000, 3, dtype=torch.float64, generator=g)
    >>> b = 2 * shared.flip(1) + torch.randn(3000, 3, dtype=torch.float64, generator=g)
    >>> [round(float(v)) for v in cross_spectrum(a, b).eigenvalues]
    [18, 8, 2]
    """
    admit(cross_spectrum, locals())
    one, two = _checked(a, "a"), _checked(b, "b")
    if len(one) != len(two):
        raise InputError(
            "the systems did not see the same stimuli",
            got=f"{len(one)} and {len(two)} stimuli",
            wanted="two arrays stimuli x units, the same stimuli in the same order",
        )
    numbers = groups_of(None, groups, len(one))
    together = Groups.of(numbers)
    count, kind = (len(one), "stimuli") if together is None else (together.count, "groups")
    if repetitions < 1 or folds < 2 or count < FEWEST * folds:
        raise InputError(
            f"too few {kind} for the folds",
            got=f"{count} {kind}, {folds} folds, {repetitions} repetitions",
            wanted=f"at least {FEWEST} {kind} in each of two folds or more, and one repetition",
            fix=f"folds={min(5, count // FEWEST)}, repetitions=1" if count >= 2 * FEWEST else None,
        )
    n, units = len(one), min(one.shape[1], two.shape[1])
    reduced = _reduced(one), _reduced(two)
    rank = min(units, n - _largest(n, folds, together) - 1)
    generator = stream(seed, "cross", "folds")
    products, freedom = one.new_zeros(n, rank), 0.0
    for _ in range(repetitions):
        for test in _folds(n, folds, together, generator):
            part = None if together is None else together.at(test)
            test = test.to(one.device)
            rest = torch.ones(n, dtype=torch.bool, device=one.device)
            rest[test] = False
            found = _along(reduced, rest, test, part)[:, :rank]
            products[test, : found.shape[1]] += found / repetitions
            freedom += len(test) - (1 if part is None else float(part.sizes.square().sum()) / len(test))
    freedom /= repetitions
    values = products.sum(0) / freedom
    result = Spectrum(
        eigenvalues=host(values),
        n_samples=n,
        n_units=units,
        floor=float(8 * torch.finfo(torch.float64).eps * values.abs().max()),
        kind="cross-covariance",
        source=f"{n} stimuli, {one.shape[1]} and {two.shape[1]} units, {folds} folds",
        seed=seed,
    )
    return with_influence(result, products * ((n - 1) / freedom), seed, numbers)


def _largest(n: int, folds: int, groups: Groups | None) -> int:
    """Number of stimuli of the largest fold there can be."""
    if groups is None:
        return -(-n // folds)
    return int(groups.sizes.sort(descending=True).values[: -(-groups.count // folds)].sum())


def _folds(n: int, folds: int, groups: Groups | None, generator: torch.Generator) -> list[Tensor]:
    """Stimuli of each fold: a random division, groups as a whole."""
    if groups is None:
        return list(torch.randperm(n, generator=generator).tensor_split(folds))
    parts = torch.randperm(groups.count, generator=generator).tensor_split(folds)
    return [torch.isin(groups.of_row, part).nonzero()[:, 0] for part in parts]


def _along(
    systems: tuple[Tensor, Tensor], rest: Tensor, test: Tensor, groups: Groups | None
) -> Float[Tensor, "test rank"]:
    """Products of the scores of the tested stimuli, on the singular vectors of the others.

    Without groups their sum over n stimuli, divided by n − 1, is the covariance.  With groups of m_g stimuli it is the
    mean of (xᵢ − xⱼ)(yᵢ − yⱼ) / 2 over stimuli i, j of different groups, divided by n − Σ m_g² / n: for centred scores,
    Σᵢ [(n − m_g) xᵢ yᵢ + (xᵢ Σ_g y + yᵢ Σ_g x) / 2] / n, whatever the correlation within groups.
    """
    a, b = (x[rest] - x[rest].mean(0) for x in systems)
    u, _, vh = torch.linalg.svd(a.T @ b, full_matrices=False)
    first, second = (x[test] - x[test].mean(0) for x in systems)
    one, two = first @ u, second @ vh.T
    products: Tensor = one * two
    if groups is None:
        return products
    own = groups.of_row.to(one.device)
    around = (one * groups.sums(two)[own] + two * groups.sums(one)[own]) / 2
    weights = (len(test) - groups.sizes.to(one)[own]) / len(test)
    return torch.addcmul(around / len(test), weights[:, None], products)


def _reduced(x: Float[Tensor, "stimuli units"]) -> Float[Tensor, "stimuli coordinates"]:
    """Centred responses; with more units than stimuli, their coordinates in the space that the stimuli span."""
    if x.shape[1] < len(x):
        return x
    values, vectors = eigenvectors(gram(x.T))
    return vectors * values.clamp_min(0).sqrt()


def _checked(given: Array, name: str) -> Tensor:
    x = tensor(given, name, "su").detach()
    if x.ndim != 2:
        fix = "torch.as_tensor(x).nanmean(0), for repeats x stimuli x units" if x.ndim == 3 else None
        raise InputError(
            f"{name}: responses have the wrong shape", got=tuple(x.shape), wanted="stimuli x units", fix=fix
        )
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        fix = "good = np.isfinite(np.asarray(x)).all(1) & np.isfinite(np.asarray(y)).all(1); x[good], y[good]"
        raise InputError(f"{name}: responses hold NaN or Inf", got=f"{bad} values", wanted="finite numbers", fix=fix)
    x = x.double()
    if bool((x.amax(0) - x.amin(0) <= 1e-14 * x.abs().amax(0)).all()):
        raise InputError(
            f"{name} is the same for all stimuli",
            got=f"{x.shape[1]} constant units",
            wanted="responses that vary with the stimulus",
        )
    x = x - x.mean(0)
    refuse_unsquarable(x, x.square().sum(0))
    return x
