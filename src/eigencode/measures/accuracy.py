"""Accuracy on the test images."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from eigencode.base.record import Estimate, Record
from eigencode.measures import _reweighted
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.representation._foreign import as_logits, watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import at
from eigencode.robustness.survival import share_of

BATCH = 2000


@dataclass(frozen=True, eq=False)
class Accuracy(Estimate):
    """Share of the images classified correctly with its Wilson interval; `correct`: which ones.

    `groups`: number of the group of each image, over which the interval is; None: images are independent.
    """

    correct: Bool[Tensor, " image"] = field(default_factory=lambda: torch.empty(0, dtype=torch.bool))
    groups: Int[Tensor, " image"] | None = None

    @classmethod
    def of(cls, correct: Bool[Tensor, " image"], groups: Int[Tensor, " image"] | None = None) -> "Accuracy":
        """Accuracy from whether each image is classified correctly.

        >>> print(Accuracy.of(torch.tensor([True] * 9 + [False])))
        0.9 [0.5958, 0.9821]
        """
        found, groups = share_of(correct, groups), None if groups is None else groups.cpu()
        return cls(found.value, found.low, found.high, found.n, found.method, correct.cpu(), groups)


@dataclass(frozen=True)
class AccuracyMeasure(Measure):
    """Accuracy on all test images, with the network in evaluation mode."""

    kind: ClassVar[str] = "accuracy"
    record: ClassVar[type[Record]] = Accuracy

    def label(self) -> str:
        return "test accuracy"

    def names(self) -> tuple[str, ...]:
        return ("",)

    def measure(self, subject: Subject) -> Accuracy:
        code, test = at(subject.network, "logits"), subject.test
        with borrowed(code), torch.no_grad():
            watch(code, test[:2].x)
            parts = zip(torch.split(test.x, BATCH), torch.split(test.y, BATCH), strict=True)
            right = torch.cat([as_logits(code(x), len(x)).argmax(1) == y for x, y in parts])
            return Accuracy.of(right, test.groups)

    def readings(self, record: Accuracy) -> Iterator[Reading]:
        yield Reading.of("", record, f"share of {record.n} test images")

    def draws(self, record: Accuracy, what: str) -> Tensor | None:
        return _reweighted.mean(record.correct, torch.arange(record.n), record.groups)
