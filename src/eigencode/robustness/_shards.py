"""Critical sizes of shares of the images, measured anywhere, as one record."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.masking import Masking, checked_for_masking
from eigencode.robustness.subject import Subject

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
    first = next((s for s in shards if s.n_correct), shards[0])  # one without an attacked image knows no `alone`
    changed: dict[str, Any] = {name: sum(getattr(s, name) for s in shards) for name in SUMS}
    for name in IMAGES:
        parts = [p for s in shards if (p := getattr(s, name)) is not None]
        changed[name] = None if getattr(first, name) is None else torch.cat(parts)
    zeros = sum(s.zero_gradients * s.gradients for s in shards if s.gradients)
    changed["zero_gradients"] = zeros / changed["gradients"] if changed["gradients"] else float("nan")
    changed["masking"] = Masking(space=first.space, seed=first.seed)
    if changed["n_correct"]:
        subject = Subject(net, test, first.space, changed["index"], seed=first.seed)
        spent = changed["evaluations"] + 2 * changed["gradients"]
        changed["masking"] = checked_for_masking(check, blind, subject, spent)
    return replace(first, **changed)
