"""The step that draws an untrained network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.types import Images
from eigencode.models.files import save
from eigencode.models.network import krotov_hopfield, perceptron
from eigencode.study.step import Inputs
from eigencode.study.steps.network import WEIGHTS, NetworkStep


@dataclass(frozen=True)
class Initial(NetworkStep):
    """An untrained network."""

    architecture: dict[str, Any]
    name: ClassVar[str] = "initial"

    def uses(self) -> tuple[str, ...]:
        return (self.architecture["network"].partition(":")[0],) if "network" in self.architecture else ()

    def run(self, folder: Path, inputs: Inputs) -> None:
        save(untrained(self.architecture, self.data.pair()[0], self.seed), folder / WEIGHTS)  # type: ignore[arg-type]


def untrained(settings: dict[str, Any], train: Images, seed: int) -> nn.Module:
    """The untrained network for these images."""
    settings = dict(settings)
    if "network" in settings:
        from eigencode.models.factory import build  # here: only for networks from outside this package

        return build(settings["network"], settings["settings"], seed)
    if settings.pop("kind") == "krotov_hopfield":
        return krotov_hopfield(train, seed=seed, **settings)
    return perceptron(train, seed=seed, **settings)
