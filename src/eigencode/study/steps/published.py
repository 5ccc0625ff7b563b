"""Steps that measure or make a network as published; each is one departure (docs/conventions.md) and nothing else."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from eigencode.base.errors import StudyError
from eigencode.models.files import save
from eigencode.models.pruning import Pruning
from eigencode.representation.at import at
from eigencode.robustness.curve import curve
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation
from eigencode.robustness.survival import wilson
from eigencode.spectra.spectrum import Spectrum
from eigencode.study.catalogue import make
from eigencode.study.choice import Choice
from eigencode.study.recipes.published.attacks import PublishedGaussian, PublishedPGD
from eigencode.study.recipes.published.evaluation import accuracy
from eigencode.study.recipes.published.grid import first_on_grid
from eigencode.study.recipes.published.pruning import prune_always
from eigencode.study.recipes.published.spectrum import eigenvalues
from eigencode.study.step import Inputs
from eigencode.study.steps.measures import Accuracy, Critical, CurveOf, SpectrumOf
from eigencode.study.steps.networks import WEIGHTS, NetworkStep, Pruned, network

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


@dataclass(frozen=True)
class SpectrumInSingle(SpectrumOf):
    """A spectrum as published (D13): float32, shifted by the mean of the pixels, by the routine for any matrix."""

    name: ClassVar[str] = "spectrum-single"

    def run(self, folder: Path, inputs: Inputs) -> None:
        points = self._points()
        if self.net is None:
            z = points.flatten(1)
        else:
            code = at(network(inputs.folder(self.net)), self.place, space="unit")
            with torch.no_grad():
                z = torch.cat([code(part).flatten(1) for part in torch.split(points, BATCH)])
        values = eigenvalues(z.float(), float(points.mean()), BATCH)[: min(z.shape[1], len(z) - 1)]
        Spectrum(values.double(), len(z), z.shape[1], kind="published", source=self.place, seed=self.seed).save(folder)


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
