"""D13: eigenvalues of a covariance in single precision, by the routine for matrices that are not symmetric."""

import torch
from jaxtyping import Float
from torch import Tensor


def eigenvalues(z: Float[Tensor, "images units"], shift: float, batch_size: int = 1000) -> Float[Tensor, " units"]:
    """D13: the covariance eigenvalues of a code, descending by their real parts, as float32 makes them.

    Many of the small ones are negative: rounding of the large ones decides them.
    """
    moved = [part.float() - shift for part in torch.split(z, batch_size)]
    total = torch.stack([part.sum(0) for part in moved]).sum(0)
    squares = torch.stack([part.T @ part for part in moved]).sum(0)
    covariance = (squares - torch.outer(total, total) / len(z)) / (len(z) - 1)
    values: Tensor = torch.linalg.eigvals(covariance).real.sort(descending=True).values
    return values
