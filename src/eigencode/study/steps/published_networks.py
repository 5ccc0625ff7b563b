"""Steps that make a network as published; each is one departure (docs/conventions.md) and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from eigencode.models.files import save
from eigencode.models.pruning import Pruning
from eigencode.robustness.survival import wilson
from eigencode.study.recipes.published.evaluation import accuracy
from eigencode.study.recipes.published.pruning import prune_always
from eigencode.study.step import Inputs
from eigencode.study.steps.accuracy import Accuracy
from eigencode.study.steps.network import WEIGHTS, NetworkStep, network
from eigencode.study.steps.pruned import Pruned

BATCH = 1000
"""Images at a time where the published result depends on it."""


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

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "data": self.data.key}

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        net = network(inputs.folder(self.start))
        n = len(test)
        batch = next(b for b in range(min(BATCH, n), 0, -1) if n % b != 1)  # BatchNorm refuses a single image
        value = accuracy(net, test.x, test.y, batch)
        low, high = wilson(torch.tensor([value * n], dtype=torch.float64), n)
        Accuracy(value, float(low), float(high), n).save(folder)
        save(net, folder / WEIGHTS)
