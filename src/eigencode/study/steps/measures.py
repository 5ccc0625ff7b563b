"""The steps that attack a network: critical sizes and curves."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from eigencode.robustness.critical import critical_size
from eigencode.robustness.curve import curve
from eigencode.study.catalogue import make, module_of
from eigencode.study.choice import Choice
from eigencode.study.step import Inputs
from eigencode.study.steps.network import Measure, network


@dataclass(frozen=True)
class Critical(Measure):
    """Critical sizes of the test images this network classifies correctly."""

    seed: int
    attack: dict[str, Any]
    space: str
    images: int | None
    eps_max: float | None
    tolerance: float
    name: ClassVar[str] = "critical"

    def uses(self) -> tuple[str, ...]:
        return (module_of("robustness", Choice(**self.attack)),)

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        critical_size(
            network(inputs.folder(self.net)),
            test[: self.images or len(test)],
            make("robustness", Choice(**self.attack)),
            space=self.space,  # type: ignore[arg-type]
            eps_max=self.eps_max,
            tolerance=self.tolerance,
            seed=self.seed,
        ).save(folder)


@dataclass(frozen=True)
class CurveOf(Measure):
    """Accuracy against eps."""

    seed: int
    attack: dict[str, Any]
    space: str
    images: int | None
    eps: tuple[float, float]
    points: int
    name: ClassVar[str] = "curve"

    def uses(self) -> tuple[str, ...]:
        return (module_of("robustness", Choice(**self.attack)),)

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        low, high = (math.log10(e) for e in self.eps)
        curve(
            network(inputs.folder(self.net)),
            test[: self.images or len(test)],
            make("robustness", Choice(**self.attack)),
            eps=torch.logspace(low, high, self.points, dtype=torch.float64),
            space=self.space,  # type: ignore[arg-type]
            seed=self.seed,
        ).save(folder)
