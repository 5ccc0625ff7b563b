"""Cross-validated PCA: variance shared by two repeats of the same stimuli, per principal direction."""

import warnings
from dataclasses import replace

import torch
from torch import Tensor

from eigencode.base.arrays import Array, tensor
from eigencode.base.border import admit
from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.groups import Groups, groups_of
from eigencode.base.record import host
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvectors, gram, refuse_unsquarable
from eigencode.spectra._influence import parts_of
from eigencode.spectra._repeats import copied, drift, mean_of, repeats_of, split
from eigencode.spectra.spectrum import Spectrum

GROUPS = 256
SWAPS = 10
"""Exchanges of the repeats that are averaged by default."""

HELD_OUT = 10
"""Of more than two repeats one in so many is held out, at least one."""


def cvpca(
    repeat_1: Array, repeat_2: Array | None = None, swaps: int = SWAPS, seed: int = 0, groups: Array | None = None
) -> Spectrum:
    """Signal spectrum of a noisy code from two or more repeats of the same stimuli.

    λ̂ₙ = Σᵢ (x¹ᵢ·vₙ)(x²ᵢ·vₙ) / (stimuli − 1), vₙ = right singular vectors of repeat 1, each unit centred over the
    stimuli within each repeat; mean over `swaps` random exchanges of the repeats, stimulus by stimulus.

    With more repeats, `cvpca(repeats)` holds out a tenth of the repeats of each stimulus, at least one, at random,
    `swaps` times: x² is their mean, x¹ that of all others.  Directions of most repeats are less noisy than those of
    half of them, which biases the spectrum less.

    Noise that is independent between the repeats has expectation zero in λ̂, so late values scatter around zero and
    are negative as often as positive: they are kept.  Responses are never centred over units: that would mix the scale
    of a presentation into every direction, and a shared gain of a few per cent would flatten the spectrum.

    Args:
        repeat_1, repeat_2: responses `stimuli x units`, the same stimuli in the same order.  Or all repeats as one
            array `repeats x stimuli x units`, all NaN where a stimulus was shown less often.
        swaps: number of exchanges, or of repeats held out, to average over; 0 uses two repeats as given.
        seed: of the exchanges.
        groups: a label per stimulus, the same for stimuli that belong together (frames of one film).

    Returns:
        A `Spectrum` of kind `"cvpca"` with min(units, stimuli − 1) values in the order of the directions (not sorted);
        equal repeats give exactly `spectrum(repeat_1)`.  Its standard errors are those at fixed directions: where noise
        dominates two or three repeats, α of other stimuli spreads by up to a third more.

    Raises:
        InputError: shapes differ, NaN or Inf, complex numbers, fewer than 3 stimuli, a repeat that is constant.

    Warns:
        EigencodeWarning: identical repeats, repeats of different mean, or a first value that is not positive.

    Source: C. Stringer et al., Nature 571 (2019), methods.  Differs from their sum over stimuli by the divisor, and
    from a Python version in circulation, which also centres over units.

    >>> g = torch.Generator().manual_seed(0)
    >>> signal = torch.randn(2000, 5, dtype=torch.float64, generator=g) * torch.tensor([3.0, 2.0, 1.0, 0.0, 0.0])
    >>> one, two = (signal + torch.randn(2000, 5, dtype=torch.float64, generator=g) for _ in range(2))
    >>> [round(float(v)) for v in cvpca(one, two).eigenvalues[:3]]
    [9, 4, 1]
    """
    admit(cvpca, locals())
    if repeat_2 is None:
        found, said = cvpca_of_all(repeat_1, swaps, seed, groups)
    else:
        one, two = _checked(repeat_1, repeat_2)
        found = cvpca_of_two(one, two, swaps, seed, groups)
        said = _doubts(torch.stack([one, two]), torch.ones(2, len(one), dtype=torch.bool), found, swaps)
    for doubt in said:
        warnings.warn(doubt, EigencodeWarning, stacklevel=2)
    return found


def cvpca_of_two(repeat_1: Array, repeat_2: Array, swaps: int, seed: int, groups: Array | None = None) -> Spectrum:
    """`cvpca` without a warning, for repeats that are equal or unrelated on purpose."""
    one, two = _checked(repeat_1, repeat_2)
    centre = torch.cat([one, two]).mean(0)  # avoids cancellation by a large mean in the Gram matrix
    one, two = one - centre, two - centre
    for x in (one, two):
        refuse_unsquarable(x, x.square().sum(0))
    generator = stream(seed, "cvpca", "swaps")
    n, units = one.shape
    both = gram(torch.cat([one, two]).T) if n <= units else None
    rounds = max(swaps, 1)
    products = one.new_zeros(n, min(units, n - 1))
    for _ in range(rounds):
        flip = torch.rand(n, generator=generator, dtype=torch.float32) < (0.5 if swaps else 0.0)
        if both is None:
            swap = flip.to(one.device)[:, None]
            first, second = _scores(torch.where(swap, two, one), torch.where(swap, one, two))
        else:
            first, second = _scores_by_gram(*_swapped(both, flip, n))
        products += first * second / rounds
    return _assembled(products, units, f"two repeats, {n} x {units}", seed, groups)


def cvpca_of_all(repeats: Array, swaps: int, seed: int, groups: Array | None = None) -> tuple[Spectrum, list[str]]:
    """cvPCA of all repeats, and what it would warn of; of two complete ones it is `cvpca_of_two`."""
    x, present, numbers, _ = _several(repeats, swaps, groups)
    if len(x) == 2:
        found = cvpca_of_two(x[0], x[1], swaps, seed, numbers)
        return found, _doubts(x, present, found, swaps)
    generator = stream(seed, "cvpca", "held out")
    n, units = x.shape[1:]
    products = x.new_zeros(n, min(units, n - 1), dtype=torch.float64)
    for _ in range(swaps):
        first, second = split(x, present, torch.arange(n), generator, HELD_OUT)
        products += _products(first, second) / swaps
    found = _assembled(products, units, f"{len(x)} repeats, {n} x {units}", seed, numbers)
    return found, _doubts(x, present, found, swaps)


def _several(
    repeats: Array, swaps: int = SWAPS, groups: Array | None = None
) -> tuple[Tensor, Tensor, Tensor | None, list[str]]:
    """`repeats_of` two repeats or more."""
    found = repeats_of(repeats, 3, groups)
    if len(found[0]) < 2 or swaps < 1:
        raise InputError(
            "repeats cannot be held out",
            got=f"{len(found[0])} repeats, swaps={swaps}",
            wanted="repeats x stimuli x units, two repeats or more, and swaps >= 1",
        )
    return found


def _products(one: Tensor, two: Tensor) -> Tensor:
    """Products of the scores of every stimulus on the directions of the first repeat."""
    n, units = one.shape
    centre = (one.mean(0) + two.mean(0)) / 2
    one, two = one - centre, two - centre
    if n > units:
        first, second = _scores(one, two)
    else:
        products = torch.cat([one, two]) @ one.T
        first, second = _scores_by_gram(products[:n], products[n:])
    return first * second


def _assembled(products: Tensor, units: int, source: str, seed: int, groups: Array | None) -> Spectrum:
    """The spectrum of products of scores, `stimuli x directions`."""
    n = len(products)
    values = products.sum(0) / (n - 1)
    result = Spectrum(
        eigenvalues=host(values),
        n_samples=n,
        n_units=units,
        floor=float(8 * torch.finfo(torch.float64).eps * values.abs().max()),
        kind="cvpca",
        source=source,
        seed=seed,
    )
    return with_influence(result, products, seed, groups_of(None, groups, n))


def _doubts(x: Tensor, present: Tensor, found: Spectrum, swaps: int) -> list[str]:
    """Warnings about repeats that are not independent measurements of the same stimuli."""
    mean = mean_of(x, present, torch.arange(x.shape[1]))
    most = max(float((one - mean).nan_to_num(0.0).abs().max()) for one in x)
    if most <= 5e-7 * float(mean.var(0).sum().sqrt()):
        which = "two repeats" if len(x) == 2 else "repeats"
        return [f"the {which} are identical: this is the covariance spectrum, and noise is in it"]
    moved = drift(x, present, float(found.eigenvalues.sum())) if swaps else ""
    if said := [one for one in (copied(x, present), moved) if one]:
        return said
    if not float(found.eigenvalues[0]) > 0:
        return [
            f"the first value is {float(found.eigenvalues[0]):.3g}: the repeats share no variance in the direction in "
            "which responses vary most; are the stimuli in the same order?"
        ]
    return []


def shuffled_control(repeat_1: Array, repeat_2: Array | None = None, seed: int = 0) -> Spectrum:
    """Control for cvPCA: the stimuli of repeat 2 in random order, so that every value has expectation zero.

    Of all repeats in one array, as for `cvpca`, the order is that of the repeats held out.

    >>> x = torch.randn(500, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> bool((shuffled_control(x, x).eigenvalues.abs() < 0.2).all())
    True
    """
    admit(shuffled_control, locals())
    if repeat_2 is None:
        x, present, _, _ = _several(repeat_1)
        one, two = split(x, present, torch.arange(x.shape[1]), stream(seed, "cvpca", "held out"), HELD_OUT)
    else:
        one, two = _checked(repeat_1, repeat_2)
    order = torch.randperm(len(two), generator=stream(seed, "cvpca", "shuffle")).to(two.device)
    return replace(cvpca_of_two(one, two[order], swaps=0, seed=seed), kind="cvpca, stimuli shuffled")


def with_influence(spectrum: Spectrum, products: Tensor, seed: int, groups: Tensor | None = None) -> Spectrum:
    """Add the influence of stimuli on log λₙ, pᵢₙ/λₙ − 1 for λₙ = Σᵢ pᵢₙ/(N − 1) at fixed directions, in groups."""
    n, together = len(products), Groups.of(groups)
    if together is not None:
        spectrum = replace(spectrum, n_groups=round(together.effective))
        if together.too_few:
            return spectrum
        parts, per_part = parts_of(products / spectrum.eigenvalues.to(products), together, seed)
        means = host(parts.nan_to_num(0.0, 0.0, 0.0), torch.float32)
        return replace(spectrum, influence=means, influence_mixed=means, group_size=per_part)
    count = min(GROUPS, n)
    size = n // count
    order = torch.randperm(n, generator=stream(seed, "groups"))[: count * size].to(products.device)
    values = spectrum.eigenvalues.to(products.device)
    influence = products[order].reshape(count, size, -1).mean(1) / values - 1
    means = host(influence.nan_to_num(0.0, 0.0, 0.0), torch.float32)
    return replace(spectrum, influence=means, influence_mixed=means, group_size=size)


def _scores(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of both repeats on the right singular vectors of the first, from the units x units covariance."""
    first, second = first - first.mean(0), second - second.mean(0)
    vectors = eigenvectors(gram(first))[1][:, : len(first) - 1]
    return first @ vectors, second @ vectors


def _swapped(both: Tensor, flip: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """X₁X₁ᵀ and X₂X₁ᵀ of exchanged repeats, from the 2n x 2n Gram matrix of all presentations."""
    stimulus = torch.arange(n)
    a = torch.where(flip, stimulus + n, stimulus).to(both.device)
    b = torch.where(flip, stimulus, stimulus + n).to(both.device)
    return both[a[:, None], a], both[b[:, None], a]


def _scores_by_gram(inner: Tensor, cross: Tensor) -> tuple[Tensor, Tensor]:
    """Scores as in `_scores`, from X₁X₁ᵀ and X₂X₁ᵀ.

    With X₁ = U S Vᵀ the scores are X₁V = U S and X₂V = X₂X₁ᵀ U S⁻¹.
    """
    n, inner, cross = len(inner), _centred(inner), _centred(cross)
    values, vectors = eigenvectors(inner)
    scale = values[: n - 1].clamp_min(float(values[0]) * 1e-15).sqrt()
    u = vectors[:, : n - 1]
    return u * scale, cross @ (u / scale)


def _centred(k: Tensor) -> Tensor:
    return k - k.mean(0) - k.mean(1, keepdim=True) + k.mean()


def _checked(repeat_1: Array, repeat_2: Array) -> tuple[Tensor, Tensor]:
    one, two = tensor(repeat_1, "repeat 1", "su").detach(), tensor(repeat_2, "repeat 2", "su").detach()
    if one.shape != two.shape or one.ndim != 2 or len(one) < 3:
        raise InputError(
            "the two repeats do not fit",
            got=f"{tuple(one.shape)} and {tuple(two.shape)}",
            wanted="two arrays stimuli x units of one shape, 3 stimuli or more",
            fix="x[0], x[1] for repeats x stimuli x units",
        )
    bad = int((~torch.isfinite(one)).sum() + (~torch.isfinite(two)).sum())
    if bad:
        every = int(torch.isfinite(one + two).all(1).sum()) < 3
        axis, kept = (0, "[:, good]") if every else (1, "[good]")
        fix = f"good = np.isfinite(np.asarray(x + y)).all({axis}); cvpca(x{kept}, y{kept})"
        raise InputError("responses hold NaN or Inf", got=f"{bad} values", fix=fix)
    for name, x in (("repeat 1", one), ("repeat 2", two)):
        same = x.double().amax(0) - x.double().amin(0) <= 1e-14 * x.double().abs().amax(0)
        if bool(same.all()):
            raise InputError(
                f"{name} is the same for all stimuli",
                got=f"{x.shape[1]} constant units",
                wanted="responses that vary with the stimulus",
                fix="is the axis of the stimuli the first one? x.T, if it is the second",
            )
    return one.double(), two.double()
