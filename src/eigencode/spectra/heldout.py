"""Cross-validated spectra of deterministic networks: on held-out images, or with injected noise."""

from dataclasses import replace

import torch
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.groups import groups_of
from eigencode.base.inputs import inputs_of
from eigencode.base.record import host
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.representation.at import Reader
from eigencode.spectra._covariance import eigen
from eigencode.spectra._responses import Source, responses
from eigencode.spectra.cvpca import cvpca_of_two, with_influence
from eigencode.spectra.spectrum import Spectrum


def heldout_spectrum(
    code: Source,
    train: Images | Array,
    test: Images | Array,
    *,
    batch_size: int | None = None,
    seed: int = 0,
    groups: Array | None = None,
) -> Spectrum:
    """Variance of the responses to test images along the principal directions of the training images.

    λ̂ₙ = Σᵢ ((zᵢ − z̄)·vₙ)² / (N − 1) over test images, vₙ = eigenvectors of the covariance over training images.

    For a deterministic code the two repeats of cvPCA are equal, so directions are cross-validated on other images.
    Leading values are biased downwards and late values upwards.

    Args:
        code: images -> responses; for arrays of responses pass the identity, `lambda z: z`.
        train, test: images.
        groups: a label per test image, the same for images that belong together; by default those of `test`.

    Returns:
        A `Spectrum` of kind `"held-out"`, values in the order of the training directions (not sorted).

    >>> g = torch.Generator().manual_seed(0)
    >>> z = torch.randn(4000, 3, generator=g) * torch.tensor([3.0, 2.0, 1.0])
    >>> [round(float(v)) for v in heldout_spectrum(lambda z: z, z[:2000], z[2000:]).eigenvalues]
    [9, 4, 1]
    """
    admit(heldout_spectrum, locals())
    if not callable(code):
        raise InputError("not a code", got=type(code).__name__, wanted="a callable", fix="lambda z: z for arrays")
    learnt = responses(code, train, batch_size)
    found = eigen(learnt.batches(), directions=True).with_errors(learnt.errors())
    directions = found.directions
    assert directions is not None
    given = responses(code, test, batch_size, groups=groups)
    scores = torch.cat([_along(batch, directions) for batch in given.batches()])
    if len(scores) < 2:
        raise InputError("too few test images", got=len(scores), wanted="at least 2")
    products = (scores - scores.mean(0)).square()
    values = products.sum(0) / (len(scores) - 1)
    result = Spectrum(
        eigenvalues=host(values),
        n_samples=len(scores),
        n_units=len(found.mean),
        floor=found.floor,
        kind="held-out",
        source=f"{given.label}, directions of {found.n} training images",
        space=given.space,
        seed=seed,
    )
    return with_influence(result, products, seed, given.groups)


def _along(batch: Tensor, directions: Tensor) -> Tensor:
    """Responses along the directions of other images."""
    if batch.shape[1] != len(directions):
        got = f"{len(directions)} units for the training images, {batch.shape[1]} for the test images"
        raise InputError("not the same units", got=got, wanted="images of one shape")
    return batch.double() @ directions


def injected_noise_spectrum(
    code: Source,
    x: Images | Array,
    sigma: float,
    *,
    swaps: int = 10,
    batch_size: int | None = None,
    seed: int = 0,
    groups: Array | None = None,
) -> Spectrum:
    """Compute cvPCA of a deterministic code on two noisy copies x + σ N(0, 1) of every image.

    Args:
        x: images; the noise is added to the input of the code.
        sigma: standard deviation of the noise in the units of that space (not clipped to any box).
        groups: a label per image, the same for images that belong together; by default those of `Images`.

    Returns:
        A `Spectrum` of kind `"injected noise"`; `source` states σ.

    >>> x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    >>> torch.testing.assert_close(injected_noise_spectrum(lambda z: z, x, 0.0).eigenvalues,
    ...                            torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0))
    """
    admit(injected_noise_spectrum, locals())
    if not sigma >= 0:
        raise InputError("no such noise", got=sigma, wanted="sigma >= 0")
    images, x = x, inputs_of(code, x)
    labels = groups_of(images, groups, len(x))
    x = x if x.is_floating_point() else x.float()
    x = code.points(x) if isinstance(code, Reader) else x
    repeats = []
    for name in ("one", "two"):
        noise = torch.randn(x.shape, generator=stream(seed, "injected", name), dtype=x.dtype).to(x.device)
        given = responses(code, x + sigma * noise, batch_size, points=True, groups=labels)
        repeats.append(torch.cat([batch.double() for batch in given.batches()]))
    found = cvpca_of_two(repeats[0], repeats[1], swaps, seed, given.groups)
    return replace(found, kind="injected noise", source=f"{given.label}, sigma {sigma:g}", space=given.space)
