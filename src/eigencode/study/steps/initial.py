"""The step that draws an untrained network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.models.builders import krotov_hopfield, perceptron
from eigencode.models.files import save
from eigencode.study.step import Inputs
from eigencode.study.steps.network import WEIGHTS, NetworkStep


@dataclass(frozen=True)
class Initial(NetworkStep):
    """An untrained network."""

    architecture: dict[str, Any]
    name: ClassVar[str] = "initial"

    def uses(self) -> tuple[str, ...]:
        return ("eigencode.rules.krotov_hopfield",) if self.architecture["kind"] == "krotov_hopfield" else ()

    def run(self, folder: Path, inputs: Inputs) -> None:
        settings = dict(self.architecture)
        train, _ = self.data.pair()
        if settings.pop("kind") == "krotov_hopfield":
            save(krotov_hopfield(train, seed=self.seed, **settings), folder / WEIGHTS)
        else:
            save(perceptron(train, seed=self.seed, **settings), folder / WEIGHTS)
