"""The base of the steps that make a network; reading and writing of their folders."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.files import replacing
from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.models.files import load, save
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.data import Data

WEIGHTS = "network.safetensors"
STATE = "state.safetensors"
"""Everything a training needs to continue from a snapshot."""


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


@dataclass(frozen=True)
class Training(NetworkStep):
    """The base of steps that train a network, to the end or to a snapshot after `stop` epochs.

    A snapshot keeps the state of the training, from which a later one continues with the same bits as one that never
    stopped.  So `earlier`, the snapshot it continues from, is no part of the key: asking for more snapshots leaves the
    others and the finished network what they are.
    """

    label_only: ClassVar[tuple[str, ...]] = ("earlier",)
    stop: int | None
    earlier: "Training | None"

    def describe(self) -> str:
        return self.name if self.stop is None else f"{self.name}, epoch {self.stop}"

    def checkpoint(self, inputs: Inputs) -> Path:
        """The file to continue from: that of this step if it was interrupted, else that of the earlier snapshot."""
        path = inputs.scratch / STATE
        state = None if self.earlier is None else inputs.folder(self.earlier) / STATE
        if state is not None and not path.exists():
            with replacing(path) as part:
                shutil.copyfile(state, part)
        return path

    def finish(self, net: nn.Module, record: Record, folder: Path, inputs: Inputs) -> None:
        """Write the network, the record of its training and, for a snapshot, the state."""
        self.write(net, folder)
        keep(record, folder / "training")
        if self.stop is not None:
            shutil.copyfile(inputs.scratch / STATE, folder / STATE)


def network(folder: Path, where: str | None = None) -> nn.Module:
    """The network in the folder of a finished step; `where`: code outside this package that builds it."""
    return load(folder / WEIGHTS, where=where)


def keep(record: Record, folder: Path) -> None:
    """Save a record in a folder of its own."""
    folder.mkdir()
    record.save(folder)
