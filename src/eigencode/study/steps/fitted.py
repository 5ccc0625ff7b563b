"""The step that solves the read-out of a network in closed form."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.study.step import Inputs
from eigencode.study.steps.network import NetworkStep, keep, network
from eigencode.training.readout import fit_readout


@dataclass(frozen=True)
class Fitted(NetworkStep):
    """A network with the read-out of ridge regression; all other layers are those it starts with."""

    start: NetworkStep
    ridge: dict[str, Any]
    name: ClassVar[str] = "fitted"

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start), self.origin.get("where"))
        train, _ = self.training_images()
        settings = {k: v for k, v in self.ridge.items() if k != "images"}
        record = fit_readout(net, train[: self.ridge["images"]], seed=self.seed, **settings)
        self.write(net, folder)
        keep(record, folder / "readout")
