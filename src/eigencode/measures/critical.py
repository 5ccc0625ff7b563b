"""Critical perturbation sizes of correctly classified test images."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from eigencode.base.record import Estimate, Record
from eigencode.base.types import Space
from eigencode.measures import _reweighted
from eigencode.measures.protocol import ALL, CORRECT, Reading, Some, Subject, images_of
from eigencode.measures.sharded import Sharded, share
from eigencode.robustness._shards import joined_sizes
from eigencode.robustness.critical import CriticalSizes, critical_size
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.survival import caveats, share_of

IMAGES = {"all images": ALL, "broken only": "those that broke", "changeable images": "those that noise can change"}
"""Images of the medians that are not over all that are classified correctly."""


@dataclass(frozen=True)
class CriticalMeasure(Sharded):
    """Smallest perturbation by an attack that changes the prediction, per image; see `robustness.critical_size`."""

    attack: Perturbation | MinimumNorm
    space: Space = "unit"
    images: Some = None
    eps_max: Annotated[float, Field(gt=0)] | None = None
    tolerance: Annotated[float, Field(gt=0)] = 1e-2
    kind: ClassVar[str] = "critical"
    record: ClassVar[type[Record]] = CriticalSizes
    shard_record: ClassVar[type[Record] | None] = CriticalSizes

    def label(self) -> str:
        return f"critical size, {type(self.attack).__name__}"

    def names(self) -> tuple[str, ...]:
        noise = isinstance(self.attack, Perturbation) and self.attack.path and self.attack.blind
        of_noise = ("changeable images",) if noise else ()
        return "", "all images", "broken only", *of_noise, "eps", "broken", "zero gradients", "masking"

    def size_of(self, what: str) -> tuple[str, ...] | None:
        if what not in ("", "eps", *IMAGES):
            return None
        deviation = isinstance(self.attack, Perturbation) and not self.attack.ball
        norm = "l2" if what != "eps" else "standard deviation" if deviation else self.attack.norm
        return norm, f"{self.space} space", *images_of(self.images, IMAGES.get(what, CORRECT))

    def measure(self, subject: Subject) -> CriticalSizes:
        return self._sizes(subject, **subject.attacked(self.images))

    def used(self, images: int) -> int:
        return min(self.images or images, images)

    def shard(self, subject: Subject, number: int, of: int) -> CriticalSizes:
        index = torch.arange(len(subject.some(self.images))) if subject.subset is None else subject.subset.sort().values
        mine = index[share(len(index), number, of)]
        return self._sizes(subject, **{**subject.attacked(None), "check": False, "test": subject.test, "subset": mine})

    def joined(self, subject: Subject, shards: Iterable[CriticalSizes]) -> CriticalSizes:
        return joined_sizes(tuple(shards), subject.network, subject.test, blind=self.attack.blind, check=subject.check)

    def _sizes(self, subject: Subject, **images: Any) -> CriticalSizes:
        limits: dict[str, Any] = {"eps_max": self.eps_max, "tolerance": self.tolerance}
        return critical_size(subject.network, attack=self.attack, space=self.space, **limits, **images)

    def readings(self, record: CriticalSizes) -> Iterator[Reading]:
        censored, where = int(record.censored.sum()), f"median L2, {record.space} space"
        said = _never(censored, record.n_correct)
        by_chance = 0 if record.alone is None else int((record.censored & record.alone).sum())
        if by_chance:
            why = "because the noise alone is given their class, which is chance and no robustness"
            said = (f"{said[0]}; {by_chance} of them {why}",)
        broken = record.median_of(~record.censored)
        noise = "" if record.alone is None else "standard deviation of the noise"
        medians = {
            "": (record.median, where),
            "all images": (
                record.quantile(0.5, errors_as_zero=True),
                f"{where}, of all {record.n} images; those wrong without perturbation count as 0",
            ),
            "broken only": (broken, f"{where}, images that were never broken left out"),
            "eps": (
                record.quantile(0.5, of="eps"),
                f"median {noise or f'eps of the attack, {record.norm}'}, {record.space} space",
            ),
        }
        for what, (found, told) in medians.items():
            yield Reading.of(what, found, told, caveats(found), said, _bound(found, record, what))
        if record.alone is not None:
            some = int((~record.alone).sum())
            told = f"{where}, of the {some} of {record.n_correct} images whose class the noise alone is not given"
            left = _never(censored - by_chance, some)
            bound = _bound(record.changeable, record)
            yield Reading.of("changeable images", record.changeable, told, caveats(record.changeable), left, bound)
        told = "share of the images classified correctly"
        yield Reading.of("broken", share_of(~record.censored, record.groups), told)
        if not math.isnan(record.zero_gradients):
            told = "share of the gradients the attack asked for"
            yield Reading("zero gradients", record.zero_gradients, convention=told)
        if record.masking.n:
            flagged = float(bool(record.masking.flags))
            told = f"1: a sign of masked gradients on {record.masking.n} images, 0: none"
            yield Reading("masking", flagged, flagged, flagged, told, record.masking.doubts)

    def draws(self, record: CriticalSizes, what: str) -> Tensor | None:
        if what == "all images":
            found = record.size, record.censored, record.index, record.n
            return _reweighted.with_errors(*found, record.groups, record.wrong_groups)
        if what == "broken":
            return _reweighted.mean(~record.censored, record.index, record.groups)
        kept = {
            "": torch.ones_like(record.censored),
            "eps": torch.ones_like(record.censored),
            "broken only": ~record.censored,
            "changeable images": None if record.alone is None else ~record.alone,
        }.get(what)
        if kept is None:
            return None
        sizes = record.eps if what == "eps" else record.size
        groups = None if record.groups is None else record.groups[kept]
        return _reweighted.quantile(sizes[kept], record.censored[kept], record.index[kept], groups)


def _bound(found: Estimate, record: CriticalSizes, what: str = "") -> float:
    """The largest size that was tried, if the median lies beyond it; NaN otherwise."""
    sizes = record.eps if what == "eps" else record.size
    known = sizes[sizes.isfinite()]
    return float(known.max()) if found.value == math.inf and len(known) else math.nan


def _never(censored: int, n: int) -> tuple[str, ...]:
    """A note, sign "n": a median holds whatever the sizes of less than half of the images are."""
    return (f"n: {censored} of {n} images were never broken",) if censored else ()
