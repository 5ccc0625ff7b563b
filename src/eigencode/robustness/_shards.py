"""Critical sizes of shares of the images, measured anywhere, as one record."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.masking import Masking, affordable, masking_checks, spaced

IMAGES = ("index", "eps", "size", "distance", "censored", "alone", "groups", "wrong_groups")
"""Fields of a record with a number per image."""

SUMS = ("n", "n_correct", "evaluations", "gradients")


def joined_sizes(
    shards: Sequence[CriticalSizes], net: object, test: Images, *, blind: bool, check: bool | Masking = True
) -> CriticalSizes:
    """The `critical_size` of all images from those of shares of them, each measured with `check=False`.

    Args:
        shards: in the order of the images.
        net, test: the network and the whole data set, for `masking_checks` on some of all images.
        blind: True for an attack without gradients, which needs no such checks.
        check: as in `critical_size`.

    Raises:
        InputError: no shard.
    """
    if not shards:
        raise InputError("no shard to join", wanted="those of all images")
    first = shards[0]
    changed: dict[str, Any] = {}
    for name in IMAGES:
        parts = [getattr(s, name) for s in shards]
        changed[name] = None if any(p is None for p in parts) else torch.cat(parts)
    sums: dict[str, Any] = {name: sum(getattr(s, name) for s in shards) for name in SUMS}
    zeros = sum(s.zero_gradients * s.gradients for s in shards if s.gradients)
    share = zeros / sums["gradients"] if sums["gradients"] else float("nan")
    if isinstance(check, Masking):
        masking = check
    elif check and not blind and sums["n_correct"]:
        some = spaced(changed["index"], affordable(sums["evaluations"] + 2 * sums["gradients"]))
        masking = masking_checks(net, test, first.space, images=len(some), subset=some, seed=first.seed)
    else:
        masking = Masking(space=first.space, seed=first.seed)
    return replace(first, **changed, **sums, zero_gradients=share, masking=masking)
