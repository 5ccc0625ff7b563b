"""The steps that measure covariance spectra."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from eigencode.data.noise import gaussian_noise
from eigencode.models.layers import UnitNorm
from eigencode.representation.at import at
from eigencode.spectra.spectrum import spectrum
from eigencode.spectra.widths import spectra_by_width
from eigencode.study.step import Inputs, Step
from eigencode.study.steps.data import Data
from eigencode.study.steps.network import NetworkStep, network


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
