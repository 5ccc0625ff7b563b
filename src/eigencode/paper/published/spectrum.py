"""D13: eigenvalues of a covariance in single precision, by the routine for matrices that are not symmetric."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.paper.published.fixes import fixes


def eigenvalues(
    z: Float[Tensor, "images units"], shift: float, batch_size: int = 1000, fix: Iterable[str] = ()
) -> Float[Tensor, " units"]:
    """D13: the covariance eigenvalues of a code, descending by their real parts, as float32 makes them.

    Many of the small ones are negative: rounding of the large ones decides them.  `fix={"D13"}` centres the
    responses in float64 and uses the routine for symmetric matrices.
    """
    if "D13" in fixes(fix, ("D13",)):
        centred = z.double() - z.double().mean(0)
        exact: Tensor = torch.linalg.eigvalsh(centred.T @ centred / (len(z) - 1)).flip(0)
        return exact
    moved = [part.float() - shift for part in torch.split(z, batch_size)]
    total = torch.stack([part.sum(0) for part in moved]).sum(0)
    squares = torch.stack([part.T @ part for part in moved]).sum(0)
    covariance = (squares - torch.outer(total, total) / len(z)) / (len(z) - 1)
    values: Tensor = torch.linalg.eigvals(covariance).real.sort(descending=True).values
    return values
