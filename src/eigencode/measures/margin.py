"""Margins of correctly classified test images, and their first-order distances to the runner-up class."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from eigencode.base.record import Record
from eigencode.base.types import Norm, Space
from eigencode.measures import _reweighted
from eigencode.measures.protocol import CORRECT, Measure, Reading, Some, Subject, images_of
from eigencode.robustness._margins import Margins, margins
from eigencode.robustness.survival import caveats, quantile


@dataclass(frozen=True)
class MarginMeasure(Measure):
    """Margin / ‖∂margin/∂x‖; the margin is the lead of the right logit over the next largest one, the runner-up.

    For a linear network of two classes it is the critical size; with more classes a third may be nearer than the
    runner-up, and it is at least the critical size.

    Args:
        norm: of the distance; the gradient is measured in its dual.
        space: of the distance, "unit" (after the network's `norm`) or "pixel".
    """

    norm: Norm = "l2"
    space: Space = "unit"
    images: Some = None
    kind: ClassVar[str] = "margin"
    record: ClassVar[type[Record]] = Margins

    def label(self) -> str:
        return "first-order distance"

    def names(self) -> tuple[str, ...]:
        return "", "margin"

    def size_of(self, what: str) -> tuple[str, ...] | None:
        return None if what else (self.norm, f"{self.space} space", *images_of(self.images, CORRECT))

    def measure(self, subject: Subject) -> Margins:
        found = subject.attacked(self.images)
        batches = {"subset": found["subset"], "batch_size": found["batch_size"]}
        return margins(subject.network, found["test"], self.norm, self.space, **batches)

    def readings(self, record: Margins) -> Iterator[Reading]:
        none, where = torch.zeros(len(record.index), dtype=torch.bool), f"of {record.n_correct} images that are right"
        distance, margin = (quantile(v, none, groups=record.groups) for v in (record.distance, record.margin))
        told = f"median margin / ‖∂margin/∂x‖, {record.norm}, {record.space} space, {where}"
        yield Reading.of("", distance, told, caveats(distance))
        yield Reading.of("margin", margin, f"median lead of the right logit, {where}", caveats(margin))

    def draws(self, record: Margins, what: str) -> Tensor | None:
        none = torch.zeros(len(record.index), dtype=torch.bool)
        return _reweighted.quantile(record.margin if what else record.distance, none, record.index, record.groups)
