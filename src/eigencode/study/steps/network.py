"""The base of the steps that make a network and of those that measure one; reading and writing of their folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.models.files import load
from eigencode.study.step import Step
from eigencode.study.steps.data import Data

WEIGHTS = "network.safetensors"


@dataclass(frozen=True)
class NetworkStep(Step):
    """A step with a network in its folder."""

    data: Data
    seed: int
    validation: float

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "data": self.data.training}

    def training_images(self) -> tuple[Images, Images | None]:
        """(training part, validation part); the validation part never trains anything, the test set is not touched."""
        train, _ = self.data.pair()
        return train.split(self.validation, self.seed) if self.validation else (train, None)


@dataclass(frozen=True)
class Measure(Step):
    """A measurement of one network on one data set."""

    data: Data
    net: NetworkStep


def network(folder: Path) -> nn.Module:
    """The network in the folder of a finished step."""
    return load(folder / WEIGHTS)


def keep(record: Record, folder: Path) -> None:
    """Save a record in a folder of its own."""
    folder.mkdir()
    record.save(folder)
