"""Measure of covariance spectra in single precision, as published (D13)."""

from dataclasses import dataclass, field

import torch

from eigencode.base.record import Record
from eigencode.measures.protocol import Subject
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.paper.published.spectrum import eigenvalues
from eigencode.spectra._covariance import Scale
from eigencode.spectra.spectrum import Spectrum

BATCH = 1000
"""Batch size; the published result depends on it."""


@dataclass(frozen=True)
class SpectrumInSingleMeasure(SpectrumMeasure):
    """Covariance spectrum as published (D13): float32, shifted by the mean of the pixels, general `eigvals` routine."""

    rounding: bool = field(default=True, init=False, repr=False)
    interval: bool = field(default=True, init=False, repr=False)
    scale: Scale = field(default="none", init=False, repr=False)

    def measure(self, subject: Subject) -> Record:
        code, points = self.source_of(subject)
        with torch.no_grad():
            parts = [(part if code is None else code(part)).flatten(1) for part in torch.split(points, BATCH)]
        z = torch.cat(parts)
        values = eigenvalues(z.float(), float(points.mean()), BATCH)[: min(z.shape[1], len(z) - 1)]
        settings = {"kind": "published", "source": subject.place, "seed": subject.seed}
        return Spectrum(values.double(), len(z), z.shape[1], **settings)  # type: ignore[arg-type]
