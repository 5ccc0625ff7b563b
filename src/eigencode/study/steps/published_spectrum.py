"""The step that measures a spectrum as published (D13)."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from eigencode.representation.at import at
from eigencode.spectra.spectrum import Spectrum
from eigencode.study.recipes.published.spectrum import eigenvalues
from eigencode.study.step import Inputs
from eigencode.study.steps.network import network
from eigencode.study.steps.spectra import SpectrumOf

BATCH = 1000
"""Images at a time where the published result depends on it."""


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
