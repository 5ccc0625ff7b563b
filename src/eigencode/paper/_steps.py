"""Study steps as published: pruning that always prunes (D6) and evaluation in training mode (D5)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.models.pruning import Pruning
from eigencode.paper.published.evaluation import accuracy
from eigencode.paper.published.pruning import prune_always
from eigencode.study.step import Inputs
from eigencode.study.steps.network import NetworkStep, keep, network
from eigencode.study.steps.pruned import Pruned

BATCH = 1000
"""Batch size; the published result depends on it."""


@dataclass(frozen=True)
class PrunedAlways(Pruned):
    """Step that prunes a locally trained network as published (D6)."""

    name: ClassVar[str] = "pruned-always"
    pruner: ClassVar[Callable[..., Pruning]] = staticmethod(prune_always)


@dataclass(frozen=True)
class EvaluatedInTraining(NetworkStep):
    """Step that measures accuracy in training mode (D5) and stores it with the changed network.

    The pass adds the test images to the running statistics of BatchNorm, which every later measurement uses.  One pass
    at the end is equivalent to the published pass after every epoch, because training updates the running statistics in
    between and never reads them.
    """

    start: NetworkStep
    name: ClassVar[str] = "evaluated"
    held: ClassVar[dict[str, str]] = {"accuracy": "accuracy"}

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "data": self.data.key}

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        net, n = network(inputs.folder(self.start), self.origin.get("where")), len(test)
        batch = next(b for b in range(min(BATCH, n), 0, -1) if n % b != 1)  # BatchNorm fails on a single image
        keep(accuracy(net, test.x, test.y, batch), folder / "accuracy")
        self.write(net, folder)
