"""Gram matrices and eigenvalues of symmetric matrices, on a CPU by numpy or torch, whichever is faster."""

import math
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import ThreadpoolController
from torch import Tensor

from eigencode.base.errors import InputError

SMALL = 512
"""Matrices of fewer columns are given to numpy on a CPU, larger ones to torch."""

_POOLS = ThreadpoolController()


def gram(z: Float[Tensor, "samples units"]) -> Float[Tensor, "units units"]:
    """Gram matrix zᵀz.

    >>> gram(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    tensor([[1., 2.],
            [2., 5.]])
    """
    if _by_numpy(z):
        a = z.detach().numpy()
        with _one_thread(), np.errstate(over="ignore", invalid="ignore"):
            product = torch.from_numpy(a.T @ a)
    else:
        product = z.T @ z
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

    >>> eigenvalues(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([3., 1.])
    """
    rising: Tensor
    if _by_numpy(matrix):
        with _one_thread():
            rising = torch.from_numpy(np.linalg.eigvalsh(matrix.detach().numpy()))
    else:
        rising = torch.linalg.eigvalsh(matrix)
    return rising.flip(0)


def eigenvectors(matrix: Float[Tensor, "n n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Eigenvalues of a symmetric matrix, descending, and its eigenvectors as columns in the same order.

    >>> values, vectors = eigenvectors(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    >>> torch.testing.assert_close(vectors * values @ vectors.T, torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    """
    if _by_numpy(matrix):
        with _one_thread():
            found = np.linalg.eigh(matrix.detach().numpy())
        values, vectors = torch.from_numpy(found.eigenvalues), torch.from_numpy(found.eigenvectors)
    else:
        values, vectors = torch.linalg.eigh(matrix)
    return values.flip(0), vectors.flip(1)


def _by_numpy(matrix: Tensor) -> bool:
    """True for a small matrix on a CPU, which numpy handles faster than torch on some CPUs.

    numpy computes only one triangle of zᵀz.  The choice depends on the size alone, not on the CPU.
    """
    return matrix.device.type == "cpu" and matrix.shape[1] < SMALL


def _one_thread() -> AbstractContextManager[Any]:
    """Keep numpy to one thread: its threads spin for a while after their work, and those of torch wait for them."""
    return cast("AbstractContextManager[Any]", _POOLS.limit(limits=1, user_api="blas"))
