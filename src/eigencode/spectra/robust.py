"""Slopes that a few odd eigenvalues cannot move: Theil-Sen and Siegel."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def theil_sen(x: Float[Tensor, " n"], y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Median of the slopes through all pairs of points; 29 % of the points may be anything.

    Source: Theil 1950; Sen 1968, J. Am. Stat. Assoc. 63, eq. 2.1.

    >>> x = torch.arange(5.0)
    >>> theil_sen(x, torch.tensor([0.0, 2, 4, 6, 99]))
    tensor(2.)
    """
    i, j = torch.triu_indices(len(x), len(x), 1)
    run = x[j] - x[i]
    return _each(y, lambda row: np.median(((row[j] - row[i]) / run).numpy()))


def siegel(x: Float[Tensor, " n"], y: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Median over points of the median slope to all other points; half of the points may be anything.

    Source: Siegel 1982, Biometrika 69, repeated medians.

    >>> x = torch.arange(7.0)
    >>> siegel(x, torch.tensor([0.0, 2, 4, 6, 8, 77, 99]))
    tensor(2.)
    """
    others = ~torch.eye(len(x), dtype=torch.bool)
    run = (x[None, :] - x[:, None])[others].reshape(len(x), -1)

    def repeated(row: Tensor) -> float:
        rise = (row[None, :] - row[:, None])[others].reshape(len(x), -1)
        return float(np.median(np.median((rise / run).numpy(), 1)))

    return _each(y, repeated)


def _each(y: Tensor, slope: Callable[[Tensor], float]) -> Tensor:
    """One row at a time: all pairs of all rows together would not fit in memory."""
    found = [float(slope(row)) for row in y.reshape(-1, y.shape[-1])]
    return torch.tensor(found, dtype=y.dtype).reshape(y.shape[:-1])
