"""Cross-validated PCA: variance shared by two repeats of the same stimuli, per principal direction."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.record import host
from eigencode.base.seeding import stream
from eigencode.base.symmetric import eigenvectors, gram
from eigencode.spectra.spectrum import Spectrum

GROUPS = 256


def cvpca(repeat_1: Tensor | np.ndarray, repeat_2: Tensor | np.ndarray, swaps: int = 10, seed: int = 0) -> Spectrum:
    """Signal spectrum of a noisy code from two repeats of the same stimuli.

    λ̂ₙ = Σᵢ (x¹ᵢ·vₙ)(x²ᵢ·vₙ) / (stimuli − 1), vₙ = right singular vectors of repeat 1, each unit centred over the
    stimuli within each repeat; mean over `swaps` random exchanges of the repeats, stimulus by stimulus.

    Noise that is independent between the repeats has expectation zero in λ̂, so late values scatter around zero and
    are negative as often as positive: they are kept.  Responses are never centred over units: that would mix the scale
    of a presentation into every direction, and a shared gain of a few per cent would flatten the spectrum.

    Args:
        repeat_1, repeat_2: responses `stimuli x units`, the same stimuli in the same order.
        swaps: number of exchanges to average over; 0 uses the repeats as given.
        seed: of the exchanges.

    Returns:
        A `Spectrum` of kind `"cvpca"` with min(units, stimuli − 1) values in the order of the directions (not sorted);
        equal repeats give exactly `spectrum(repeat_1)`.

    Raises:
        InputError: shapes differ, NaN or Inf, fewer than 3 stimuli.

    Source: C. Stringer et al., Nature 571 (2019), methods.  Differs from their sum over stimuli by the divisor, and
    from a Python version in circulation, which also centres over units.

    >>> g = torch.Generator().manual_seed(0)
    >>> signal = torch.randn(2000, 5, dtype=torch.float64, generator=g) * torch.tensor([3.0, 2.0, 1.0, 0.0, 0.0])
    >>> one, two = (signal + torch.randn(2000, 5, dtype=torch.float64, generator=g) for _ in range(2))
    >>> [round(float(v)) for v in cvpca(one, two).eigenvalues[:3]]
    [9, 4, 1]
    """
    one, two = _checked(repeat_1, repeat_2)
    generator = stream(seed, "cvpca", "swaps")
    n, units = one.shape
    both = gram(torch.cat([one, two]).T) if n <= units else None
    rounds = max(swaps, 1)
    products = one.new_zeros(n, min(units, n - 1))
    for _ in range(rounds):
        flip = torch.rand(n, generator=generator) < (0.5 if swaps else 0.0)
        first, second = _scores_by_gram(both, flip, n) if both is not None else _scores(one, two, flip)
        products += first * second / rounds
    values = products.sum(0) / (n - 1)
    result = Spectrum(
        eigenvalues=host(values),
        n_samples=n,
        n_units=units,
        floor=float(8 * torch.finfo(torch.float64).eps * values.abs().max()),
        kind="cvpca",
        source=f"two repeats, {n} x {units}",
        seed=seed,
    )
    return with_influence(result, products, seed)


def shuffled_control(repeat_1: Tensor | np.ndarray, repeat_2: Tensor | np.ndarray, seed: int = 0) -> Spectrum:
    """Control for cvPCA: the stimuli of repeat 2 in random order, so that every value has expectation zero.

    >>> x = torch.randn(500, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> bool((shuffled_control(x, x).eigenvalues.abs() < 0.2).all())
    True
    """
    order = torch.randperm(len(repeat_2), generator=stream(seed, "cvpca", "shuffle"))
    shuffled = repeat_2[order.to(repeat_2.device)] if isinstance(repeat_2, Tensor) else repeat_2[order.numpy()]
    return replace(cvpca(repeat_1, shuffled, swaps=0, seed=seed), kind="cvpca, stimuli shuffled")


def with_influence(spectrum: Spectrum, products: Tensor, seed: int) -> Spectrum:
    """Add the influence of stimuli on log λₙ, pᵢₙ/λₙ − 1 for λₙ = Σᵢ pᵢₙ/(N − 1) at fixed directions, in groups."""
    n = len(products)
    count = min(GROUPS, n)
    size = n // count
    order = torch.randperm(n, generator=stream(seed, "groups"))[: count * size].to(products.device)
    values = spectrum.eigenvalues.to(products.device)
    influence = products[order].reshape(count, size, -1).mean(1) / values - 1
    groups = host(influence.nan_to_num(0.0, 0.0, 0.0), torch.float32)
    return replace(spectrum, influence=groups, influence_mixed=groups, group_size=size)


def _scores(one: Tensor, two: Tensor, flip: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of both repeats on the right singular vectors of the first, from the units x units covariance."""
    swap = flip.to(one.device)[:, None]
    first, second = torch.where(swap, two, one), torch.where(swap, one, two)
    first, second = first - first.mean(0), second - second.mean(0)
    vectors = eigenvectors(gram(first))[1][:, : len(one) - 1]
    return first @ vectors, second @ vectors


def _scores_by_gram(both: Tensor, flip: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Scores as in `_scores`, from the 2n x 2n Gram matrix of all presentations, computed once for all swaps.

    With X₁ = U S Vᵀ the scores are X₁V = U S and X₂V = X₂X₁ᵀ U S⁻¹.
    """
    stimulus = torch.arange(n)
    a = torch.where(flip, stimulus + n, stimulus).to(both.device)
    b = torch.where(flip, stimulus, stimulus + n).to(both.device)
    inner, cross = _centred(both[a[:, None], a]), _centred(both[b[:, None], a])
    values, vectors = eigenvectors(inner)
    scale = values[: n - 1].clamp_min(float(values[0]) * 1e-15).sqrt()
    u = vectors[:, : n - 1]
    return u * scale, cross @ (u / scale)


def _centred(k: Tensor) -> Tensor:
    return k - k.mean(0) - k.mean(1, keepdim=True) + k.mean()


def _checked(repeat_1: Tensor | np.ndarray, repeat_2: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    one, two = (torch.as_tensor(np.asarray(r).copy() if isinstance(r, np.ndarray) else r) for r in (repeat_1, repeat_2))
    if one.shape != two.shape or one.ndim != 2 or len(one) < 3:
        raise InputError(
            "the two repeats do not fit",
            got=f"{tuple(one.shape)} and {tuple(two.shape)}",
            wanted="two arrays stimuli x units of one shape, 3 stimuli or more",
        )
    one, two = one.detach().double(), two.detach().double()
    bad = int((~torch.isfinite(one)).sum() + (~torch.isfinite(two)).sum())
    if bad:
        raise InputError("responses hold NaN or Inf", got=f"{bad} values", fix="drop these stimuli or units first")
    centre = torch.cat([one, two]).mean(0)  # avoids cancellation by a large mean in the Gram matrix
    return one - centre, two - centre
