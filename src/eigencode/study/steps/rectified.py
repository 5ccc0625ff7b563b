"""The step that puts another power of the rectifier behind the frozen encoder of a locally trained network."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eigencode.study.step import Inputs
from eigencode.study.steps.network import NetworkStep, network


@dataclass(frozen=True)
class Rectified(NetworkStep):
    """A network of one hidden layer with the activation relu(h)^n, and all weights as they are."""

    start: NetworkStep
    n: float
    name: ClassVar[str] = "rectified"

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start))
        net.spec = {**net.spec, "n": self.n}  # type: ignore[dict-item, assignment]  # from which its file is read
        net.activation.n = self.n  # type: ignore[union-attr]
        self.write(net, folder)
