"""Accuracy on the test images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from eigencode.base.record import Estimate, Record
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.representation._foreign import as_logits, watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import at
from eigencode.robustness.survival import share

BATCH = 2000


@dataclass(frozen=True)
class AccuracyMeasure(Measure):
    """Accuracy on all test images, with the network in evaluation mode."""

    kind: ClassVar[str] = "accuracy"
    record: ClassVar[type[Record]] = Estimate

    def label(self) -> str:
        return "test accuracy"

    def names(self) -> tuple[str, ...]:
        return ("",)

    def measure(self, subject: Subject) -> Estimate:
        code, test = at(subject.network, "logits"), subject.test
        with borrowed(code), torch.no_grad():
            watch(code, test[:2].x)
            parts = zip(torch.split(test.x, BATCH), torch.split(test.y, BATCH), strict=True)
            return share(sum(int((as_logits(code(x), len(x)).argmax(1) == y).sum()) for x, y in parts), len(test))

    def readings(self, record: Estimate) -> Iterator[Reading]:
        yield Reading.of("", record, f"share of {record.n} test images")
