"""How far a covariance spectrum stays below λ₁ / n, the bound by which arXiv 2405.00679 chose one of many layers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from eigencode.base.record import Record
from eigencode.measures.protocol import Count, Measure, Reading, Subject
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.spectra.spectrum import Spectrum


@dataclass(frozen=True)
class BoundMeasure(Measure):
    """The largest n λₙ / λ₁ over the ranks n ≥ 2 of a covariance spectrum: below 1 if λₙ < λ₁ / n for all of them.

    Args:
        source, samples: as in `SpectrumMeasure`.

    Source: the stored notebooks of arXiv 2405.00679 continue with a layer chosen from a hundred by this bound.
    """

    source: Literal["images", "noise"] = "images"
    samples: Count | None = None
    kind: ClassVar[str] = "bound"
    record: ClassVar[type[Record]] = Spectrum
    default_place: ClassVar[str] = "latent"
    before_pruning: ClassVar[bool] = True

    def label(self) -> str:
        return f"bound {self.source}"

    def names(self) -> tuple[str, ...]:
        return ("",)

    def measure(self, subject: Subject) -> Record:
        return SpectrumMeasure(self.source, self.samples, interval=False).measure(subject)

    def readings(self, record: Spectrum) -> Iterator[Reading]:
        values = record.eigenvalues
        ranks = torch.arange(1, len(values) + 1, dtype=values.dtype)
        varies = len(values) > 1 and float(values[0]) > 0
        largest = float((ranks * values / values[0])[1:].max()) if varies else math.nan
        yield Reading("", largest, convention=f"largest n λₙ / λ₁, n = 2..{len(values)}; < 1: λₙ < λ₁ / n for all n")
