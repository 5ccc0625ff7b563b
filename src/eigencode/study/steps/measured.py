"""The step that applies a measure to a finished network."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from eigencode.measures.protocol import Measure, Subject
from eigencode.study._catalogue import make, modules
from eigencode.study._choice import Choice
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.data import Data
from eigencode.study.steps.network import NetworkStep, moment, network


@dataclass(frozen=True)
class Measured(Step):
    """The record of one measure, made on a network, or on the images themselves if `net` is None.

    `measure` holds the name of the measure and every setting that affects its record.
    """

    data: Data
    net: NetworkStep | None
    place: str
    seed: int
    measure: dict[str, Any]

    @cached_property
    def made(self) -> Measure:
        """An instance of the measure."""
        found: Measure = make("measures", Choice(**self.measure))
        return found

    @property
    def name(self) -> str:  # type: ignore[override]
        """The kind of the measure."""
        return self.made.kind

    def describe(self) -> str:
        return self.name if (step := moment(self.net)) is None else f"{self.name}, step {step}"

    def uses(self) -> tuple[str, ...]:
        return tuple(modules("measures", Choice(**self.measure)))

    def run(self, folder: Path, inputs: Inputs) -> None:
        self.made.measure(self.subject(inputs)).save(folder)

    def subject(self, inputs: Inputs) -> Subject:
        """The network and the test images."""
        _, test = self.data.pair()
        net = None if self.net is None else network(inputs.folder(self.net), self.net.origin.get("where"))
        return Subject(net, test, self.place, self.seed)
