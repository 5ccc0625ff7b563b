"""Worst case of several attacks on the same images."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.robustness.critical import CriticalSizes


def worst_case(results: Sequence[CriticalSizes]) -> CriticalSizes:
    """Keep the closest adversarial image of several attacks in one norm; censored where all of them failed.

    The size of a censored image is the largest that any attack tried.  The eps of noise is a standard deviation: if
    only some of the attacks are noise, `eps` is the distance.  `evaluations` and `gradients` are sums,
    `zero_gradients` is the share in all attacks, `attack` lists the attacks, and `masking` is the check with the most
    flags.

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
    failed = torch.stack([r.censored for r in results])
    tried = torch.stack([r.distance for r in results])
    nearest = torch.where(failed, torch.inf, tried).min(0)
    best = torch.where(failed.all(0), tried.argmax(0), nearest.indices)

    def of_best(name: str) -> Float[Tensor, " image"]:
        return torch.stack([getattr(r, name) for r in results]).gather(0, best[None])[0]

    gradients = sum(r.gradients for r in results)
    zero = sum(r.zero_gradients * r.gradients for r in results if r.gradients)
    return dataclasses.replace(
        first,
        eps=of_best("eps" if len({r.alone is None for r in results}) == 1 else "distance"),
        size=of_best("size"),
        distance=of_best("distance"),
        censored=failed.all(0),
        attack="worst of: " + "; ".join(r.attack for r in results),
        eps_max=max(r.eps_max for r in results),
        tolerance=max(r.tolerance for r in results),
        evaluations=sum(r.evaluations for r in results),
        gradients=gradients,
        zero_gradients=zero / gradients if gradients else math.nan,
        masking=max((r.masking for r in results), key=lambda checked: (len(checked.flags), checked.n)),
        alone=None,
    )
