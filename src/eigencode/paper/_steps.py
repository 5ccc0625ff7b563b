"""Networks made or evaluated as published: pruning that always prunes (D6), evaluation in training mode (D5)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.models.pruning import Pruning
from eigencode.paper.published.evaluation import accuracy
from eigencode.paper.published.pruning import prune_always
from eigencode.robustness.survival import share
from eigencode.study.step import Inputs
from eigencode.study.steps.network import NetworkStep, keep, network
from eigencode.study.steps.pruned import Pruned

BATCH = 1000
"""Images at a time, on which the published result depends."""


@dataclass(frozen=True)
class PrunedAlways(Pruned):
    """A locally trained network, pruned as published (D6)."""

    name: ClassVar[str] = "pruned-always"
    pruner: ClassVar[Callable[..., Pruning]] = staticmethod(prune_always)


@dataclass(frozen=True)
class EvaluatedInTraining(NetworkStep):
    """A network after its accuracy was measured in training mode (D5), and that accuracy.

    BatchNorm has then learned from the test images, and every later measurement sees it.  One pass does what passes
    after every epoch do: training in between replaces the running statistics, and never reads them.
    """

    start: NetworkStep
    name: ClassVar[str] = "evaluated"
    held: ClassVar[dict[str, str]] = {"accuracy": "accuracy"}

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "data": self.data.key}

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        net, n = network(inputs.folder(self.start), self.origin.get("where")), len(test)
        batch = next(b for b in range(min(BATCH, n), 0, -1) if n % b != 1)  # BatchNorm refuses a single image
        keep(share(accuracy(net, test.x, test.y, batch) * n, n), folder / "accuracy")
        self.write(net, folder)
