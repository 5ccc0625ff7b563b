"""The step that records which units of a local layer were pruned, and the mixture that decided it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eigencode.measures.pruning import units
from eigencode.models.pruning import Pruning
from eigencode.rules.convergence import Convergence
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.network import NetworkStep


@dataclass(frozen=True)
class UnitsOf(Step):
    """The `Units` of a pruned network."""

    pruned: NetworkStep
    local: LocallyTrained
    name: ClassVar[str] = "units"

    def run(self, folder: Path, inputs: Inputs) -> None:
        found = Pruning.load(inputs.folder(self.pruned) / "pruning")
        units(found, Convergence.load(inputs.folder(self.local) / "convergence")).save(folder)
