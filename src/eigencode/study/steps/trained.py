"""The step that trains a network, or only its read-out, by gradient descent."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eigencode.study._catalogue import make, modules
from eigencode.study._choice import Choice
from eigencode.study.step import Inputs
from eigencode.study.steps.network import NetworkStep, Training, network
from eigencode.training._augment import Augmentation
from eigencode.training._feed import starts
from eigencode.training.schedule import Schedule
from eigencode.training.supervised import train_supervised

ADVERSARIAL = "eigencode.training.adversarial"
"""Imported only for adversarial training, so that a change to it does not retrain other networks."""


@dataclass(frozen=True)
class Trained(Training):
    """A network trained by gradient descent, as a whole or only its read-out."""

    start: NetworkStep
    supervised: dict[str, Any]
    name: ClassVar[str] = "trained"

    def uses(self) -> tuple[str, ...]:
        chosen = [name for _, p in self.penalties for name in modules("penalties", p)]
        if self.supervised["adversarial"] is not None:
            chosen += [ADVERSARIAL, *modules("robustness", Choice(**self.supervised["adversarial"]["attack"]))]
        return tuple(chosen)

    @property
    def penalties(self) -> list[tuple[float, Choice]]:
        """(coefficient, name and settings of the penalty) of every penalty in the loss."""
        listed = [dict(p) for p in self.supervised["penalties"]]
        return [(p.pop("coefficient"), Choice(**p)) for p in listed]

    @property
    def per_epoch(self) -> int:
        return len(starts(self.images, int(self.supervised["batch_size"])))

    def run(self, folder: Path, inputs: Inputs) -> None:
        net = network(inputs.folder(self.start), self.origin.get("where"))
        settings = {k: v for k, v in self.supervised.items() if k not in ("penalties", "schedule", "adversarial")}
        train, validation = self.training_images()
        with self.continued():
            record = train_supervised(
                net,
                train,
                penalties=[(coefficient, make("penalties", p)) for coefficient, p in self.penalties],
                adversarial=_adversarial(self.supervised["adversarial"]),
                schedule=Schedule(**self.supervised["schedule"]),
                validation=validation,
                seed=self.seed,
                checkpoint=self.checkpoint(inputs),
                stop=self.epoch,
                **settings,
            )
        self.finish(net, record, folder, inputs)


def _adversarial(chosen: dict[str, Any] | None) -> Augmentation | None:
    if chosen is None:
        return None
    attack = make("robustness", Choice(**chosen["attack"]))
    made: Augmentation = importlib.import_module(ADVERSARIAL).Adversarial(attack, chosen["eps"], chosen["space"])
    return made
