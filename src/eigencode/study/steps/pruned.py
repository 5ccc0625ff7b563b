"""The step that prunes a locally trained network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eigencode.models.pruning import Pruning, prune
from eigencode.study.step import Inputs
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.network import NetworkStep, keep, network


@dataclass(frozen=True)
class Pruned(NetworkStep):
    """A locally trained network with the weights of units that never left their random start set to zero."""

    start: LocallyTrained
    name: ClassVar[str] = "pruned"
    pruner: ClassVar[Callable[..., Pruning]] = staticmethod(prune)

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start), self.origin.get("where"))
        found = self.pruner(net, seed=self.seed)
        self.write(found.apply(net), folder)
        keep(found, folder / "pruning")
