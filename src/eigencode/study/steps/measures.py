"""Steps whose result is a record: accuracy, spectra, critical sizes, curves."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from eigencode.base.record import Record
from eigencode.base.types import Images
from eigencode.data.noise import gaussian_noise
from eigencode.models.layers import UnitNorm
from eigencode.representation.at import at
from eigencode.robustness.critical import critical_size
from eigencode.robustness.curve import curve
from eigencode.robustness.survival import wilson
from eigencode.spectra.spectrum import spectrum
from eigencode.spectra.widths import spectra_by_width
from eigencode.study.catalogue import make, module_of
from eigencode.study.choice import Choice
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.data import Data
from eigencode.study.steps.networks import NetworkStep, network


@dataclass(frozen=True)
class Accuracy(Record):
    """Accuracy on the test images with its 95 % Wilson interval over images."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Measure(Step):
    """A measurement of one network on one data set."""

    data: Data
    net: NetworkStep


@dataclass(frozen=True)
class TestAccuracy(Measure):
    """Accuracy on all test images, evaluation mode."""

    name: ClassVar[str] = "accuracy"

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        code = at(network(inputs.folder(self.net)), "logits")
        with torch.no_grad():
            hits = sum(int((code(part.x).argmax(1) == part.y).sum()) for part in _parts(test))
        low, high = wilson(torch.tensor([float(hits)], dtype=torch.float64), len(test))
        Accuracy(hits / len(test), float(low), float(high), len(test)).save(folder)


@dataclass(frozen=True)
class SpectrumOf(Step):
    """Covariance spectrum of a place over test images or over Gaussian noise; without a network, of the input.

    Noise images are N(0, 1) and enter after the network's `norm`, as in arXiv 2405.00679; images enter as pixels,
    that is, through `norm`, and the input itself is measured after scaling to unit norm.
    """

    data: Data
    net: NetworkStep | None
    seed: int
    place: str
    source: str
    samples: int | None
    norm_p: float = 3.0
    name: ClassVar[str] = "spectrum"

    def run(self, folder: Path, inputs: Inputs) -> None:
        points = self._points()
        if self.net is None:
            found = spectrum(points.flatten(1), seed=self.seed)
        else:
            code = at(network(inputs.folder(self.net)), self.place, space="unit")
            found = spectrum(code, points, points=True, seed=self.seed)
        found.save(folder)

    def _points(self) -> torch.Tensor:
        """Points of unit space."""
        _, test = self.data.pair()
        if self.source == "noise":
            return gaussian_noise(self.samples or 10_000, test.shape, seed=self.seed)
        points: torch.Tensor = UnitNorm(self.norm_p)(test[: self.samples or len(test)].x)
        return points


@dataclass(frozen=True)
class SpectraByWidth(SpectrumOf):
    """Spectra of nested random sets of units, one folder per width; pruned layers have what units they have."""

    widths: tuple[int, ...] = ()
    name: ClassVar[str] = "widths"

    def run(self, folder: Path, inputs: Inputs) -> None:
        assert self.net is not None
        code = at(network(inputs.folder(self.net)), self.place, space="unit")
        points = self._points()
        units = code(points[:1]).flatten(1).shape[1]
        widths = tuple(dict.fromkeys(min(m, units) for m in self.widths))
        for found in spectra_by_width(code, points, widths=widths, points=True, seed=self.seed):
            part = folder / f"width-{found.n_units}"
            part.mkdir()
            found.save(part)


@dataclass(frozen=True)
class Critical(Measure):
    """Critical sizes of the test images this network classifies correctly."""

    seed: int
    attack: dict[str, Any]
    space: str
    images: int | None
    eps_max: float | None
    tolerance: float
    name: ClassVar[str] = "critical"

    def uses(self) -> tuple[str, ...]:
        return (module_of("robustness", Choice(**self.attack)),)

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        critical_size(
            network(inputs.folder(self.net)),
            test[: self.images or len(test)],
            make("robustness", Choice(**self.attack)),
            space=self.space,  # type: ignore[arg-type]
            eps_max=self.eps_max,
            tolerance=self.tolerance,
            seed=self.seed,
        ).save(folder)


@dataclass(frozen=True)
class CurveOf(Measure):
    """Accuracy against eps."""

    seed: int
    attack: dict[str, Any]
    space: str
    images: int | None
    eps: tuple[float, float]
    points: int
    name: ClassVar[str] = "curve"

    def uses(self) -> tuple[str, ...]:
        return (module_of("robustness", Choice(**self.attack)),)

    def run(self, folder: Path, inputs: Inputs) -> None:
        _, test = self.data.pair()
        low, high = (math.log10(e) for e in self.eps)
        curve(
            network(inputs.folder(self.net)),
            test[: self.images or len(test)],
            make("robustness", Choice(**self.attack)),
            eps=torch.logspace(low, high, self.points, dtype=torch.float64),
            space=self.space,  # type: ignore[arg-type]
            seed=self.seed,
        ).save(folder)


def _parts(images: Images, size: int = 2000) -> Iterator[Images]:
    for i in range(0, len(images), size):
        yield images[i : i + size]
