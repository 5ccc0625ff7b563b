"""Worst case of several attacks on the same images."""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.robustness.critical import CriticalSizes


def worst_case(results: Sequence[CriticalSizes]) -> CriticalSizes:
    """Keep the closest adversarial image of several attacks in one norm; censored where all of them failed.

    `evaluations` and `gradients` are sums; `attack` lists all attacks.

    Raises:
        InputError: results on different images, norms or spaces.
    """
    admit(worst_case, locals())
    if not results:
        raise InputError("no result to take the worst case of")
    first = results[0]
    for other in results[1:]:
        if (other.norm, other.space) != (first.norm, first.space) or not torch.equal(other.index, first.index):
            raise InputError(
                "these results are not of the same images in the same norm and space",
                got=f"{other.attack}: {other.norm}, {other.space}, {len(other.index)} images",
                wanted=f"{first.norm}, {first.space}, {len(first.index)} images as in {first.attack}",
            )
    distances = torch.stack([torch.where(r.censored, torch.inf, r.distance) for r in results])
    best = distances.argmin(0)

    def of_best(name: str) -> Float[Tensor, " image"]:
        return torch.stack([getattr(r, name) for r in results]).gather(0, best[None])[0]

    return dataclasses.replace(
        first,
        eps=of_best("eps"),
        size=of_best("size"),
        distance=of_best("distance"),
        censored=torch.stack([r.censored for r in results]).all(0),
        attack="worst of: " + "; ".join(r.attack for r in results),
        eps_max=max(r.eps_max for r in results),
        tolerance=max(r.tolerance for r in results),
        evaluations=sum(r.evaluations for r in results),
        gradients=sum(r.gradients for r in results),
        alone=None,
    )
