"""Random reweightings of the test images, the same for every record, to compare numbers measured on the same images.

The Bayesian bootstrap (Rubin 1981, Annals of Statistics 9, 130): independent exponential weights per image.  Draw k of
one number and draw k of another belong to the same weights, so the variance of their difference over the draws is that
of the difference over images, whatever the two have in common.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

DRAWS = 1000
"""Number of reweightings; 1000 give a standard error to 2 %."""


def weights(index: Int[Tensor, " image"], groups: Int[Tensor, " image"] | None = None) -> Float[Tensor, "draw image"]:
    """Weights of the images with these numbers in their data set, mean one; an image always has the same weights.

    `groups`: numbers of the groups of these images, if they have any.
    """
    index = index if groups is None else groups
    return _weights(int(index.max()) + 1 if len(index) else 0)[:, index]


@lru_cache(1)
def _weights(images: int) -> Tensor:
    """Weights of images 0 .. images - 1; those of an image do not depend on how many follow it."""
    return torch.from_numpy(np.random.default_rng(0).standard_exponential((images, DRAWS))).T


def mean(
    values: Float[Tensor, " image"] | Bool[Tensor, " image"],
    index: Int[Tensor, " image"],
    groups: Int[Tensor, " image"] | None = None,
) -> Float[Tensor, " draw"]:
    """Weighted mean of the values in every draw."""
    w = weights(index, groups)
    return (w @ values.double()) / w.sum(1)


def quantile(
    size: Float[Tensor, " image"],
    censored: Bool[Tensor, " image"],
    index: Int[Tensor, " image"],
    groups: Int[Tensor, " image"] | None = None,
    q: float = 0.5,
) -> Float[Tensor, " draw"]:
    """Weighted Kaplan-Meier quantile in every draw: the first size at which survival falls below 1 - q, or `inf`."""
    order = np.lexsort((censored.numpy(), size.numpy()))  # at equal sizes, an image that broke comes first
    size, broken, w = size[order].double(), ~censored[order], weights(index, groups)[:, order]
    at_risk = w.flip(1).cumsum(1).flip(1)
    alive = torch.where(broken, 1 - w / at_risk, 1.0).clamp_min(0).cumprod(1)
    first = (alive < 1 - q).long()
    return torch.where(first.any(1), size[first.argmax(1)], torch.inf)


def with_errors(
    size: Float[Tensor, " image"],
    censored: Bool[Tensor, " image"],
    index: Int[Tensor, " image"],
    n: int,
    groups: Int[Tensor, " image"] | None = None,
    wrong_groups: Int[Tensor, " wrong"] | None = None,
) -> Float[Tensor, " draw"] | None:
    """Weighted median over `n` images, those without a size at 0; None if it is not known which images these are.

    They are the first `n` of the data set, or those whose groups are given.
    """
    if groups is not None and wrong_groups is not None:
        sizes = torch.cat([torch.zeros(len(wrong_groups), dtype=torch.float64), size.double()])
        kept = torch.cat([torch.zeros(len(wrong_groups), dtype=torch.bool), censored])
        return quantile(sizes, kept, torch.arange(n), torch.cat([wrong_groups, groups]))
    if len(index) and int(index.max()) >= n:
        return None
    sizes, kept = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.bool)
    sizes[index], kept[index] = size.double(), censored
    return quantile(sizes, kept, torch.arange(n))
