"""Gram matrices and eigenvalues of symmetric matrices, by a fast routine of the device."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError


def gram(z: Float[Tensor, "samples units"]) -> Float[Tensor, "units units"]:
    """Gram matrix zᵀz; on a CPU by numpy, which computes only one triangle of it (BLAS `syrk`).

    >>> gram(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    tensor([[1., 2.],
            [2., 5.]])
    """
    if z.device.type != "cpu":
        product = z.T @ z
    else:
        a = z.detach().numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            product = torch.from_numpy(a.T @ a)
    refuse_unsquarable(z, product.diagonal())
    return product


def refuse_unsquarable(z: Float[Tensor, "samples units"], squares: Float[Tensor, " units"]) -> None:
    """Raise `InputError` where `squares`, Σ z² per unit, left the range of floating-point numbers."""
    largest, limits = float(squares.max()) if len(squares) else 0.0, torch.finfo(z.dtype)
    if bool(torch.isfinite(squares).all()) and (largest > limits.tiny / limits.eps or not bool((z != 0).any())):
        return
    size = float(z.abs().max())
    if math.isnan(size):  # of NaN the caller knows more
        return
    size = min(size, limits.max)
    raise InputError(
        f"numbers whose squares {str(z.dtype).removeprefix('torch.')} cannot hold",
        got=f"size {size:.3g} after centring",
        wanted=f"about {limits.tiny**0.4:.0e} .. {limits.max**0.45:.0e}",
        fix=f"divide them by {size:.0e}; the eigenvalues are then smaller by the square of that factor",
    )


def eigenvalues(matrix: Float[Tensor, "n n"]) -> Float[Tensor, " n"]:
    """Eigenvalues of a symmetric matrix, descending.

    On a CPU by numpy (LAPACK `syevd` of OpenBLAS), elsewhere by torch.  numpy is faster than torch on some CPUs and
    slower on others; the choice is fixed so that results do not depend on it.

    >>> eigenvalues(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([3., 1.])
    """
    on_cpu = matrix.device.type == "cpu"
    rising: Tensor = (
        torch.from_numpy(np.linalg.eigvalsh(matrix.detach().numpy())) if on_cpu else torch.linalg.eigvalsh(matrix)
    )
    return rising.flip(0)


def eigenvectors(matrix: Float[Tensor, "n n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Eigenvalues of a symmetric matrix, descending, and its eigenvectors as columns in the same order.

    >>> values, vectors = eigenvectors(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    >>> torch.testing.assert_close(vectors * values @ vectors.T, torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    """
    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
    else:
        found = np.linalg.eigh(matrix.detach().numpy())
        values, vectors = torch.from_numpy(found.eigenvalues), torch.from_numpy(found.eigenvectors)
    return values.flip(0), vectors.flip(1)
