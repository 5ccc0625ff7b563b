"""White-noise images, the control for every spectrum."""

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.seeding import stream


def gaussian_noise(n: int, shape: tuple[int, int, int], seed: int = 0) -> Float[Tensor, "n c h w"]:
    """Images of independent N(0, 1) pixels.

    They are the noise images of arXiv 2405.00679.  Every eigenvalue of the covariance of the pixels is 1, so the
    spectrum of the code is due to the network alone.  Not confined to [0, 1], hence a tensor and not `Images`.

    Args:
        shape: (channels, height, width).

    Returns:
        float32, `n x channels x height x width`.

    >>> gaussian_noise(2, (3, 8, 8), seed=1).shape
    torch.Size([2, 3, 8, 8])
    """
    admit(gaussian_noise, locals())
    if n < 1 or min(shape) < 1:
        raise InputError("no such noise", got=f"{n} images of shape {shape}", wanted="at least 1 in every place")
    return torch.randn((n, *shape), generator=stream(seed, "gaussian noise"), dtype=torch.float32)
