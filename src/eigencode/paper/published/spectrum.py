"""Covariance eigenvalues in single precision by a general (non-symmetric) eigenvalue routine, as published (D13)."""

import torch
from jaxtyping import Float
from torch import Tensor


def eigenvalues(z: Float[Tensor, "images units"], shift: float, batch_size: int = 1000) -> Float[Tensor, " units"]:
    """Real parts of the covariance eigenvalues of responses `z` in float32, descending, as published (D13).

    Many of the small ones are negative, because they are rounding errors of the large ones.
    """
    moved = [part.float() - shift for part in torch.split(z, batch_size)]
    total = torch.stack([part.sum(0) for part in moved]).sum(0)
    squares = torch.stack([part.T @ part for part in moved]).sum(0)
    covariance = (squares - torch.outer(total, total) / len(z)) / (len(z) - 1)
    values: Tensor = torch.linalg.eigvals(covariance).real.sort(descending=True).values
    return values
