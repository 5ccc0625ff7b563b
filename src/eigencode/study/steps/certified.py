"""The step that proves how robust a network is."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eigencode.robustness.certified import certified_size
from eigencode.study.step import Inputs
from eigencode.study.steps.network import Measure, network


@dataclass(frozen=True)
class Certified(Measure):
    """Certified sizes, in unit space, of the test images this network classifies correctly."""

    norm: str
    images: int | None
    name: ClassVar[str] = "certified"

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        some = test[: self.images or len(test)]
        certified_size(network(inputs.folder(self.net)), some, self.norm, "unit").save(folder)  # type: ignore[arg-type]
