"""The step that measures the accuracy of a network, and its record."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.representation.at import at
from eigencode.robustness.survival import wilson
from eigencode.study.step import Inputs
from eigencode.study.steps.network import Measure, network


@dataclass(frozen=True)
class Accuracy(Record):
    """Accuracy on the test images with its 95 % Wilson interval over images."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class TestAccuracy(Measure):
    """Accuracy on all test images, evaluation mode."""

    name: ClassVar[str] = "accuracy"

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        code = at(network(inputs.folder(self.net)), "logits")
        with torch.no_grad():
            hits = sum(int((code(part.x).argmax(1) == part.y).sum()) for part in _parts(test))
        low, high = wilson(torch.tensor([float(hits)], dtype=torch.float64), len(test))
        Accuracy(hits / len(test), float(low), float(high), len(test)).save(folder)


def _parts(images: Images, size: int = 2000) -> Iterator[Images]:
    for i in range(0, len(images), size):
        yield images[i : i + size]
