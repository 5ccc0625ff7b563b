"""Steps whose result is a network: initial, locally trained, pruned.  Each starts from another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.models.builders import krotov_hopfield, perceptron
from eigencode.models.files import load, save
from eigencode.models.local import convergence, local_layer
from eigencode.models.pruning import Pruning, prune
from eigencode.study.catalogue import make, module_of
from eigencode.study.choice import Choice
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.data import Data
from eigencode.training.local import train_local

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
class Initial(NetworkStep):
    """An untrained network."""

    architecture: dict[str, Any]
    name: ClassVar[str] = "initial"

    def run(self, folder: Path, inputs: Inputs) -> None:
        settings = dict(self.architecture)
        train, _ = self.data.pair()
        if settings.pop("kind") == "krotov_hopfield":
            save(krotov_hopfield(train, seed=self.seed, **settings), folder / WEIGHTS)
        else:
            save(perceptron(train, seed=self.seed, **settings), folder / WEIGHTS)


@dataclass(frozen=True)
class LocallyTrained(NetworkStep):
    """A network whose encoder has been trained by a local rule."""

    start: Initial
    local: dict[str, Any]
    name: ClassVar[str] = "local"

    @property
    def rule(self) -> Choice:
        """The rule the study names."""
        return Choice(**self.local["rule"])

    def uses(self) -> tuple[str, ...]:
        return (module_of("rules", self.rule),)

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start))
        settings = {k: v for k, v in self.local.items() if k not in ("rule", "images")}
        rule = make("rules", self.rule, **local_layer(net).rule.layer_settings)
        train, _ = self.training_images()
        checkpoint = inputs.scratch / "local.safetensors"
        record = train_local(
            net, train[: self.local["images"] or len(train)], rule, seed=self.seed, checkpoint=checkpoint, **settings
        )
        save(net, folder / WEIGHTS)
        keep(record, folder / "training")
        keep(convergence(net), folder / "convergence")


@dataclass(frozen=True)
class Pruned(NetworkStep):
    """A locally trained network without the units that never left their start."""

    start: LocallyTrained
    name: ClassVar[str] = "pruned"
    pruner: ClassVar[Callable[..., Pruning]] = staticmethod(prune)

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start))
        found = self.pruner(net, seed=self.seed)
        save(found.apply(net), folder / WEIGHTS)
        keep(found, folder / "pruning")


def network(folder: Path) -> nn.Module:
    """The network in the folder of a finished step."""
    return load(folder / WEIGHTS)


def keep(record: Record, folder: Path) -> None:
    """Save a record in a folder of its own."""
    folder.mkdir()
    record.save(folder)
