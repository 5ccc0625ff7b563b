"""The keys of a calibration in a study file: populations with planted spectra, and the noise of their repeats."""

from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from eigencode.data.synthetic import EXACT, Kind, Law
from eigencode.study._choice import Strict
from eigencode.study.steps.calibration import PARAMETERS

PLANTED = "planted codes"
"""Label, in place of a data set, of samples from populations with a known spectrum."""


class Noise(Strict):
    """Repeats of every stimulus with independent Gaussian noise in all units, and the estimators that get them.

    Each estimator gets every number of `repeats` at every `snr`, the ratio of the total variances of signal and noise
    in one presentation (`PlantedCode.repeats`); fewer repeats are the first of more.
    """

    snr: tuple[Annotated[float, Field(gt=0)], ...] = (1.0,)
    repeats: tuple[Annotated[int, Field(ge=2)], ...] = (2,)
    estimators: tuple[Literal["cvpca", "signal_spectrum"], ...] = ("cvpca", "signal_spectrum")


Exponent = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Population:
    """One population of a calibration, with its labels in tables: `data` for its size, `model` for all else."""

    kind: Kind
    alpha: Law
    units: int
    samples: int
    snr: float
    data: str
    model: str

    def of(self, parameter: str) -> str:
        """Label of a parameter of its law; "" for the law, or a line fitted to it."""
        return f"{self.model}, {PARAMETERS[parameter]}" if parameter else self.model


class Planted(Strict):
    """Calibration of α: repeated fits to samples of planted spectra, for each kind × spectrum × units × samples.

    `alphas`: exponents, or [alpha_1, break, alpha_2] for broken laws.  `samples`: their number per unit; `stimuli`:
    their number, instead.  The fit window ends at rank `top` × min(units, number of samples − 1).

    Without `noise`, the estimator is `ec.spectrum`.  With noise, small populations come first.
    """

    kinds: tuple[Kind, ...] = ("gaussian", "relu")
    alphas: tuple[Exponent | tuple[Exponent, Annotated[float, Field(ge=1)], Exponent], ...] = (1.0,)
    units: tuple[Annotated[int, Field(ge=20)], ...] = (200,)
    samples: tuple[Annotated[float, Field(gt=0)], ...] = (2.0,)
    stimuli: tuple[Annotated[int, Field(ge=8)], ...] = ()
    replicates: int = Field(100, ge=2, le=100_000)
    n_min: int = Field(11, ge=1)
    top: float = Field(0.5, gt=0, le=1)
    weights: Literal["uniform", "1/n"] = "uniform"
    noise: Noise | None = None

    @model_validator(mode="after")
    def _known(self) -> "Planted":
        if self.stimuli and self.samples != Planted.model_fields["samples"].default:
            raise ValueError("samples: their number is that of the stimuli; leave one of the two out")
        if self.noise is not None and not set(self.kinds) <= set(EXACT):
            raise ValueError(f"kinds: with noise, those with the eigenvalues of the law, {', '.join(EXACT)}")
        return self

    def populations(self) -> list[Population]:
        """All populations, in the order of the table."""
        found = []
        for kind, alpha, units in product(self.kinds, self.alphas, self.units):
            for n in self.stimuli or [round(units * ratio) for ratio in self.samples]:
                for snr in self.noise.snr if self.noise else (0.0,):
                    law = f"α = {alpha:g}" if isinstance(alpha, float) else "|".join(f"{v:g}" for v in alpha)
                    size, of = f"{units} units, {n} samples", f"{kind}, {law}"
                    labels = (f"{PLANTED}, {size}", f"{of}, SNR {snr:g}") if snr else (PLANTED, f"{of}, {size}")
                    found.append(Population(kind, alpha, units, n, snr, *labels))
        return sorted(found, key=lambda p: p.units * p.samples) if self.noise else found
