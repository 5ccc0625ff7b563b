"""Steps that attack a network as published; each is one departure (docs/conventions.md) and nothing else."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from eigencode.base.errors import StudyError
from eigencode.robustness.curve import curve
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation
from eigencode.study.catalogue import make
from eigencode.study.choice import Choice
from eigencode.study.recipes.published.attacks import PublishedGaussian, PublishedPGD
from eigencode.study.recipes.published.grid import first_on_grid
from eigencode.study.step import Inputs
from eigencode.study.steps.measures import Critical, CurveOf
from eigencode.study.steps.network import network


@dataclass(frozen=True)
class CriticalOnGrid(Critical):
    """Critical sizes as the first of `points` values of eps that breaks an image."""

    eps: tuple[float, float] = (1e-6, 10**-1.5)
    points: int = 400
    published: tuple[str, ...] = ()
    name: ClassVar[str] = "critical-grid"

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        first_on_grid(
            network(inputs.folder(self.net)),
            test[: self.images or len(test)],
            attack(self.attack, self.published),
            _logarithmic(self.eps, self.points),
            self.space,  # type: ignore[arg-type]
            seed=self.seed,
        ).save(folder)


@dataclass(frozen=True)
class CurveAsPublished(CurveOf):
    """Accuracy against eps, every eps tried on every image."""

    published: tuple[str, ...] = ()
    name: ClassVar[str] = "curve-published"

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        curve(
            network(inputs.folder(self.net)),
            test[: self.images or len(test)],
            attack(self.attack, self.published),
            eps=_logarithmic(self.eps, self.points),
            space=self.space,  # type: ignore[arg-type]
            exhaustive=True,
            seed=self.seed,
        ).save(folder)


def attack(chosen: dict[str, Any], published: tuple[str, ...]) -> Perturbation:
    """The attack a study names, with the departures it asks for.

    Raises:
        StudyError: a departure that this attack does not have.
    """
    made: Perturbation = make("robustness", Choice(**chosen))
    for departure in published:
        if departure == "D7" and isinstance(made, Gaussian):
            made = PublishedGaussian(made.clip)
        elif departure == "D10" and isinstance(made, PGD) and made == PGD(steps=made.steps, loss="cross_entropy"):
            made = PublishedPGD(made.steps)
        else:
            raise StudyError(
                f"{departure} is no departure of this attack",
                got=made.name if isinstance(made, Perturbation) else chosen["name"],
                wanted='D7: Gaussian; D10: PGD with norm "linf", loss "cross_entropy" and no setting but steps',
            )
    if not isinstance(made, Perturbation):
        raise StudyError("this attack finds its own eps and knows no grid", got=chosen["name"], wanted="FGSM, PGD, ...")
    return made


def _logarithmic(eps: tuple[float, float], points: int) -> torch.Tensor:
    low, high = (math.log10(e) for e in eps)
    return torch.logspace(low, high, points, dtype=torch.float64)
