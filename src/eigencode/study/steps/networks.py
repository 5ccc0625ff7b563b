"""Steps whose result is a network: initial, locally trained, pruned.  Each starts from another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.measures.pruning import units
from eigencode.models.convergence import Convergence, convergence
from eigencode.models.files import load, save
from eigencode.models.network import Network, krotov_hopfield, perceptron
from eigencode.models.pruning import Pruning, prune
from eigencode.study.catalogue import make, modules
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
    held: ClassVar[dict[str, str]] = {}
    """Measures whose record this step makes anyway: kind -> folder within its own."""

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
        save(untrained(self.architecture, self.data.pair()[0], self.seed), folder / WEIGHTS)  # type: ignore[arg-type]


@dataclass(frozen=True)
class LocallyTrained(NetworkStep):
    """A network whose encoder has been trained by a local rule."""

    start: Initial
    local: dict[str, Any]
    name: ClassVar[str] = "local"
    held: ClassVar[dict[str, str]] = {"convergence": "convergence"}

    @property
    def rule(self) -> Choice:
        """The rule the study names."""
        return Choice(**self.local["rule"])

    def uses(self) -> tuple[str, ...]:
        return tuple(modules("rules", self.rule))

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start))
        settings = {k: v for k, v in self.local.items() if k not in ("rule", "images")}
        rule = make("rules", self.rule, p=net.encoder.p, radius=net.encoder.radius)
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
    held: ClassVar[dict[str, str]] = {"pruning": "units"}
    pruner: ClassVar[Callable[..., Pruning]] = staticmethod(prune)

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start))
        found = self.pruner(net, seed=self.seed)
        save(found.apply(net), folder / WEIGHTS)
        keep(found, folder / "pruning")
        keep(units(found, Convergence.load(inputs.folder(self.start) / "convergence")), folder / "units")


def untrained(settings: dict[str, Any], train: Images, seed: int) -> nn.Module:
    """The untrained network for these images."""
    settings = dict(settings)
    if "network" in settings:
        from eigencode.models.factory import build  # here: only for networks from outside this package

        return build(settings["network"], settings["settings"], seed)
    if settings.pop("kind") == "krotov_hopfield":
        return krotov_hopfield(train, seed=seed, **settings)
    return perceptron(train, seed=seed, **settings)


def network(folder: Path) -> Network:
    """The network in the folder of a finished step."""
    return load(folder / WEIGHTS)


def keep(record: Record, folder: Path) -> None:
    """Save a record in a folder of its own."""
    folder.mkdir()
    record.save(folder)
