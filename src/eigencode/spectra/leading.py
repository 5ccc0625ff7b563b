"""Leading eigenvalues of codes whose covariance does not fit into memory, by a randomised method in few passes."""

import torch
from torch import Tensor

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.moments import Moments
from eigencode.base.record import host
from eigencode.base.seeding import stream
from eigencode.base.symmetric import refuse_unsquarable
from eigencode.base.types import Images
from eigencode.spectra._covariance import noise_floor
from eigencode.spectra._responses import Responses, Source, responses
from eigencode.spectra.spectrum import Spectrum


def leading_spectrum(
    code: Source,
    x: Images | Array | None = None,
    *,
    top: int,
    passes: int = 4,
    oversampling: int = 20,
    batch_size: int | None = None,
    seed: int = 0,
) -> Spectrum:
    """Compute the `top` largest covariance eigenvalues with memory for units × (top + oversampling) numbers.

    Subspace iteration from a random start, centred, in float64: passes − 1 products with the covariance, each
    followed by orthonormalisation, then the eigenvalues of its projection (Rayleigh and Ritz), which are never larger
    than the true ones.  Each pass reads all responses once; the mean takes one more.

    Args:
        code, x, batch_size, seed: as in `spectrum`; but not an iterator, which can be read only once.
        top: number of eigenvalues.
        passes: products with the covariance, at least 2; the error falls like (λ_rest / λₙ)^(2 passes − 1).
        oversampling: additional directions, dropped at the end.

    Returns:
        A `Spectrum` of kind `"leading"` without interval.  Measures that need all eigenvalues refuse it.

    Source: Halko, Martinsson and Tropp 2011, SIAM Review 53, algorithms 4.4 and 5.3.

    >>> x = torch.randn(400, 60, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 61) ** -1.0
    >>> found = leading_spectrum(x, top=5)
    >>> torch.testing.assert_close(found.eigenvalues, torch.linalg.eigvalsh(torch.cov(x.double().T)).flip(0)[:5])
    """
    admit(leading_spectrum, locals())
    given = responses(code, x, batch_size)
    if given.rows is None:
        raise InputError("an iterator can be read only once", fix="pass an array, or a code and its points")
    mean, variance, n, eps = _first(given)
    units = len(mean)
    if not 1 <= top <= min(units, n - 1) or passes < 2 or oversampling < 0:
        raise InputError(
            "no such leading spectrum",
            got=f"top {top}, {passes} passes, oversampling {oversampling}",
            wanted=f"1 .. {min(units, n - 1)} eigenvalues, at least 2 passes, oversampling >= 0",
        )
    width = min(units, n - 1, top + oversampling)
    start = torch.randn(units, width, dtype=torch.float64, generator=stream(seed, "leading")).to(mean.device)
    basis = torch.linalg.qr(start).Q
    for _ in range(passes - 1):
        basis = torch.linalg.qr(_product(given, mean, basis, n)).Q
    projected = basis.T @ _product(given, mean, basis, n)
    values = torch.linalg.eigvalsh((projected + projected.T) / 2).flip(0)[:top]
    return Spectrum(
        eigenvalues=host(values),
        n_samples=n,
        n_units=units,
        floor=noise_floor(values[0], mean, variance, n, eps),
        kind="leading",
        source=f"{top} leading of {given.label}",
        space=given.space,
        seed=seed,
    )


def _first(given: Responses) -> tuple[Tensor, Tensor, int, float]:
    """Mean, variance per unit, number of samples and machine epsilon, in one pass."""
    n, eps = 0, 0.0
    mean = square = torch.zeros(())
    for batch in given.batches():
        z = batch.double()
        if n == 0:
            mean, square = z.new_zeros(z.shape[1]), z.new_zeros(z.shape[1])
        moved = z.mean(0) - mean
        if not bool(torch.isfinite(moved).all()):
            Moments.of(batch)  # raises the error
        centred = z - z.mean(0)
        squares = centred.square().sum(0)
        refuse_unsquarable(centred, squares)
        square += squares + moved.square() * (n * len(z) / (n + len(z)))
        mean = mean + moved * (len(z) / (n + len(z)))
        n, eps = n + len(z), max(eps, torch.finfo(batch.dtype).eps)
    if n < 2:
        raise InputError("too few samples for a covariance", got=n, wanted="at least 2")
    return mean, square / (n - 1), n, eps


def _product(given: Responses, mean: Tensor, basis: Tensor, n: int) -> Tensor:
    """Covariance @ basis, without forming the covariance."""
    out = torch.zeros_like(basis)
    for batch in given.batches():
        z = batch.double() - mean
        out.addmm_(z.T, z @ basis)
    return out / (n - 1)
