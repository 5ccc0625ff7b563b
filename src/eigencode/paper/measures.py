"""Measures as published: critical sizes on a grid of eps, and spectra in single precision (D13)."""

from dataclasses import dataclass

import torch

from eigencode.base.record import Record
from eigencode.base.types import Space
from eigencode.measures.critical import CriticalMeasure
from eigencode.measures.protocol import Count, Range, Some, Subject, logarithmic
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.paper.published.grid import first_on_grid
from eigencode.paper.published.spectrum import eigenvalues
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.protocol import Perturbation
from eigencode.spectra.spectrum import Spectrum

__all__ = ["CriticalMeasure", "CriticalOnGridMeasure", "SpectrumInSingleMeasure", "SpectrumMeasure"]

BATCH = 1000
"""Images at a time where the published result depends on it."""


@dataclass(frozen=True)
class CriticalOnGridMeasure(CriticalMeasure):
    """Critical sizes as the first of `points` logarithmic steps of eps that breaks an image."""

    attack: Perturbation
    space: Space = "unit"
    images: Some = None
    eps: Range = (1e-6, 10**-1.5)
    points: Count = 400

    def measure(self, subject: Subject) -> CriticalSizes:
        grid, some = logarithmic(self.eps, self.points), subject.some(self.images)
        return first_on_grid(subject.network, some, self.attack, grid, self.space, seed=subject.seed)


@dataclass(frozen=True)
class SpectrumInSingleMeasure(SpectrumMeasure):
    """A spectrum as published (D13): float32, shifted by the mean of the pixels, by the routine for any matrix."""

    rounding: bool = True

    def measure(self, subject: Subject) -> Record:
        code, points = self.source_of(subject)
        with torch.no_grad():
            parts = [(part if code is None else code(part)).flatten(1) for part in torch.split(points, BATCH)]
        z = torch.cat(parts)
        values = eigenvalues(z.float(), float(points.mean()), BATCH)[: min(z.shape[1], len(z) - 1)]
        settings = {"kind": "published", "source": subject.place, "seed": subject.seed}
        return Spectrum(values.double(), len(z), z.shape[1], **settings)  # type: ignore[arg-type]
