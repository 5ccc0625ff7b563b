"""Calibration of the interval of α: fits to samples of populations with a known spectrum."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eigencode.base.record import Estimate, Record
from eigencode.data.synthetic import Kind, PlantedCode
from eigencode.measures.protocol import Readable, Reading
from eigencode.robustness.survival import share
from eigencode.spectra.power_law import PowerLaw, fit_line
from eigencode.spectra.spectrum import spectrum
from eigencode.study.step import Inputs, Step


@dataclass(frozen=True)
class Calibration(Record):
    """Fits of α to independent samples of one population; `truth` is the fit to its exact eigenvalues."""

    truth: float
    window: tuple[int, int]
    n_samples: int
    alpha: Float[Tensor, " replicate"]
    plain: Float[Tensor, " replicate"]
    low: Float[Tensor, " replicate"]
    high: Float[Tensor, " replicate"]
    standard_error: Float[Tensor, " replicate"]
    warned: Bool[Tensor, " replicate"]

    @property
    def covered(self) -> Bool[Tensor, " replicates"]:
        """True where the interval contains the truth; False where there is no interval."""
        return (self.low <= self.truth) & (self.truth <= self.high)

    @property
    def measured(self) -> bool:
        """True if at least one fit has an interval."""
        return bool(torch.isfinite(self.low).any())

    @property
    def coverage(self) -> Estimate:
        """Fraction of fits whose interval contains the truth, with its 95 % Wilson interval; NaN without intervals."""
        n = len(self.low)
        return share(int(self.covered.sum()), n) if self.measured else Estimate(float("nan"), n=n)

    def bias(self, name: str) -> Estimate:
        """Mean of `alpha` or `plain` minus the truth, ± 1.96 standard errors of the mean."""
        error = getattr(self, name) - self.truth
        mean, half = float(error.mean()), 1.96 * float(error.std()) / len(error) ** 0.5
        return Estimate(mean, mean - half, mean + half, n=len(error), method="95 %, normal")


class Coverage(Readable):
    """Reads the numbers of the table from a `Calibration`: bias, width and coverage of the intervals."""

    kind: ClassVar[str] = "calibration"
    record: ClassVar[type[Record]] = Calibration

    def title(self, name: str) -> str:
        return "coverage"

    def names(self) -> tuple[str, ...]:
        return "true α", "bias", "bias of the plain fit", "standard deviation", "half width", "coverage", "warned"

    def readings(self, record: Calibration) -> Iterator[Reading]:
        n, window = len(record.alpha), f"ranks {record.window[0]}..{record.window[1]}"
        half = float(((record.high - record.low) / 2).median())
        yield Reading("true α", record.truth, convention=f"{window} of the population's eigenvalues")
        yield Reading.of("bias", record.bias("alpha"), f"mean error of α over {n} samples")
        yield Reading.of("bias of the plain fit", record.bias("plain"), "the same, of fits to the measured eigenvalues")
        yield Reading("standard deviation", float(record.alpha.std()), convention="of α")
        yield Reading("half width", half, convention="median over samples, 95 % interval")
        yield Reading.of("coverage", record.coverage, f"share of {n} intervals that hold the true α")
        yield Reading("warned", float(record.warned.double().mean()), convention="share of the fits with a warning")


@dataclass(frozen=True)
class CalibrationBlock(Step):
    """Fits to the replicates `first` .. `first + count − 1` of one population."""

    kind: Kind
    alpha: float
    units: int
    samples: int
    window: tuple[int, int]
    weights: str
    first: int
    count: int
    name: ClassVar[str] = "block"

    def describe(self) -> str:
        return f"replicates {self.first}..{self.first + self.count - 1}"

    def run(self, folder: Path, inputs: Inputs) -> None:
        population = PlantedCode.of(self.units, self.alpha, self.kind)
        fits = [self._fit(population.sample(self.samples, seed), seed) for seed in self.seeds()]
        low, high = torch.tensor([f.interval for f in fits], dtype=torch.float64).T
        Calibration(
            truth=fit_line(population.eigenvalues, self.window, self.weights).alpha,
            window=self.window,
            n_samples=self.samples,
            alpha=_column(f.alpha for f in fits),
            plain=_column(f.plain for f in fits),
            low=low,
            high=high,
            standard_error=_column(f.standard_error for f in fits),
            warned=torch.tensor([bool(f.warnings) for f in fits]),
        ).save(folder)

    def seeds(self) -> range:
        """One seed per replicate."""
        return range(self.first, self.first + self.count)

    def _fit(self, x: Tensor, seed: int) -> PowerLaw:
        return spectrum(x, seed=seed).power_law(self.window, self.weights)


@dataclass(frozen=True)
class CalibrationCell(Step):
    """All replicates of one population: the records of its blocks, joined."""

    blocks: tuple[CalibrationBlock, ...]
    name: ClassVar[str] = "calibration"

    def run(self, folder: Path, inputs: Inputs) -> None:
        parts = [Calibration.load(inputs.folder(block)) for block in self.blocks]
        first = parts[0]
        together = {name: torch.cat([p.tensors()[name] for p in parts]) for name in first.tensors()}
        Calibration(truth=first.truth, window=first.window, n_samples=first.n_samples, **together).save(folder)


def _column(values: Iterable[float]) -> Float[Tensor, " replicates"]:
    return torch.tensor(list(values), dtype=torch.float64)
