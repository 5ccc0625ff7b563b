"""Base classes of the steps that make a network; reading and writing of their folders."""

import shutil
from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.durable import replacing
from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.models.files import load, save
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.data import Data
from eigencode.training._kept import continued

WEIGHTS = "network.safetensors"
STATE = "state.safetensors"
"""Training state, from which a training continues after a snapshot."""


@dataclass(frozen=True)
class NetworkStep(Step):
    """Base of the steps whose result contains a network."""

    data: Data
    seed: int
    validation: float
    held: ClassVar[dict[str, str]] = {}
    """Measures whose record is part of the result of this step: kind -> subfolder."""

    @property
    def origin(self) -> dict[str, Any]:
        """`where` and `settings` of a network built by code outside this package; empty for a built-in one."""
        start = getattr(self, "start", None)
        return {} if start is None else start.origin

    def write(self, net: nn.Module, folder: Path) -> None:
        """Save the network in the folder of this step."""
        save(net, folder / WEIGHTS, **self.origin)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "data": self.data.training}

    def training_images(self) -> tuple[Images, Images | None]:
        """(training part, validation part or None), both from the training set; nothing is trained on the second."""
        train, _ = self.data.pair()
        return train.split(self.validation, self.seed) if self.validation else (train, None)


@dataclass(frozen=True)
class Training(NetworkStep):
    """The base of steps that train a network, to the end or to a snapshot after `stop` training steps.

    A snapshot contains the training state, from which training continues bit for bit as if it had never stopped.  So
    `earlier`, the snapshot it continues from, is not part of the key: adding snapshots changes neither the other
    snapshots nor the finished network.
    """

    label_only: ClassVar[tuple[str, ...]] = ("earlier",)
    start: NetworkStep
    stop: int | None = field(default=None, kw_only=True)
    earlier: "Training | None" = field(default=None, kw_only=True)

    def describe(self) -> str:
        return self.name if (step := moment(self)) is None else f"{self.name}, step {step}"

    @property
    @abstractmethod
    def per_epoch(self) -> int:
        """Training steps of an epoch."""

    @property
    def images(self) -> int:
        """Number of images in the training part of the data."""
        n = len(self.data.pair()[0])
        return n - round(self.validation * n)

    @property
    def epoch(self) -> float | None:
        """The moment of a snapshot in epochs."""
        return None if self.stop is None else self.stop / self.per_epoch

    def continued(self) -> AbstractContextManager[None]:
        """Context manager of the training, for what it hands on to the step that continues."""
        return continued(f"{self.name} {self.start.key}", ends=self.stop is None)

    def checkpoint(self, inputs: Inputs) -> Path:
        """The path of the training state to continue from: this step's, if it was interrupted, else the snapshot's."""
        path = inputs.scratch / STATE
        state = None if self.earlier is None else inputs.folder(self.earlier) / STATE
        if state is not None and not path.exists():
            with replacing(path) as part:
                shutil.copyfile(state, part)
        return path

    def finish(self, net: nn.Module, record: Record, folder: Path, inputs: Inputs) -> None:
        """Write the network, the record of its training and, for a snapshot, the training state."""
        self.write(net, folder)
        keep(record, folder / "training")
        if self.stop is not None:
            shutil.copyfile(inputs.scratch / STATE, folder / STATE)


def moment(net: Step | None) -> int | None:
    """The training step of the snapshot that a network is, or was trained on; None for a finished network."""
    stop: int | None = getattr(net, "stop", None)
    start: Step | None = getattr(net, "start", None)
    return stop if stop is not None or start is None else moment(start)


def network(folder: Path, where: str | None = None) -> nn.Module:
    """Load the network of a finished step; `where`: code outside this package that builds it."""
    return load(folder / WEIGHTS, where=where)


def keep(record: Record, folder: Path) -> None:
    """Save a record in a new folder."""
    folder.mkdir()
    record.save(folder)
