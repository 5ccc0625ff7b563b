"""What each image does to each eigenvalue, to first order."""

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.seeding import stream

ROWS = 4096
"""Images whose influence is measured; more would not make an interval better."""
GROUPS = 256


def influence_groups(
    z: Float[Tensor, "samples units"],
    directions: Float[Tensor, "units rank"],
    eigenvalues: Float[Tensor, " rank"],
    seed: int,
) -> Float[Tensor, "groups rank"]:
    """Group means of the influence of image i on log λₙ: (vₙ·zᵢ)²/λₙ − 1, for centred z.

    d log λₙ = Σᵢ dwᵢ [(vₙ·zᵢ)²/λₙ − 1] for weights wᵢ of the images (Critchley 1985, eq. 2.5): any statistic
    Σ aₙ log λₙ has one number per image, and the variance of its mean over equal groups of m of the N images, times
    m/N, is its sampling variance.  Groups keep a record small: 256 numbers per eigenvalue for any N.
    """
    count = min(GROUPS, len(z))
    size = len(z) // count
    order = torch.randperm(len(z), generator=stream(seed, "influence"))[: count * size].to(z.device)
    scores = (z[order] @ directions).square().reshape(count, size, -1).mean(1)
    return (scores / eigenvalues.clamp_min(torch.finfo(torch.float64).tiny) - 1).float()
