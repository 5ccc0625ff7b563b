"""Accuracy on the test images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from eigencode.base.record import Record
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.representation.at import at
from eigencode.robustness.survival import wilson

BATCH = 2000


@dataclass(frozen=True)
class Accuracy(Record):
    """Accuracy on the test images with its 95 % Wilson interval over images."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, hits: float, n: int) -> "Accuracy":
        """The share hits / n."""
        low, high = wilson(torch.tensor([hits], dtype=torch.float64), n)
        return cls(hits / n, float(low), float(high), n)


@dataclass(frozen=True)
class AccuracyMeasure(Measure):
    """Accuracy on all test images, evaluation mode."""

    kind: ClassVar[str] = "accuracy"
    record: ClassVar[type[Record]] = Accuracy

    def label(self) -> str:
        return "test accuracy"

    def names(self) -> tuple[str, ...]:
        return ("",)

    def measure(self, subject: Subject) -> Accuracy:
        code, test = at(subject.network, "logits"), subject.test
        with torch.no_grad():
            parts = zip(torch.split(test.x, BATCH), torch.split(test.y, BATCH), strict=True)
            hits = sum(int((code(x).argmax(1) == y).sum()) for x, y in parts)
        return Accuracy.of(float(hits), len(test))

    def readings(self, record: Accuracy) -> Iterator[Reading]:
        yield Reading("", record.value, record.low, record.high, f"share of {record.n} test images")
