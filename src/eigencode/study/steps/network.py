"""The base of the steps that make a network; reading and writing of their folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.models.files import load, save
from eigencode.study.step import Step
from eigencode.study.steps.data import Data

WEIGHTS = "network.safetensors"


@dataclass(frozen=True)
class NetworkStep(Step):
    """A step with a network in its folder."""

    data: Data
    seed: int
    validation: float
    held: ClassVar[dict[str, str]] = {}
    """Measures whose record this step makes anyway: kind -> folder within its own."""

    @property
    def origin(self) -> dict[str, Any]:
        """`where` and `settings` of a network from outside this package; empty for one of its own."""
        start = getattr(self, "start", None)
        return {} if start is None else start.origin

    def write(self, net: nn.Module, folder: Path) -> None:
        """Save the network in the folder of this step."""
        save(net, folder / WEIGHTS, **self.origin)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "data": self.data.training}

    def training_images(self) -> tuple[Images, Images | None]:
        """(training part, validation part); the validation part never trains anything, the test set is not touched."""
        train, _ = self.data.pair()
        return train.split(self.validation, self.seed) if self.validation else (train, None)


def network(folder: Path, where: str | None = None) -> nn.Module:
    """The network in the folder of a finished step; `where`: code outside this package that builds it."""
    return load(folder / WEIGHTS, where=where)


def keep(record: Record, folder: Path) -> None:
    """Save a record in a folder of its own."""
    folder.mkdir()
    record.save(folder)
