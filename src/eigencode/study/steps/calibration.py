"""Calibration of the intervals of α: fits to samples of populations with a known spectrum, without noise or with."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eigencode.base.record import Estimate, Record
from eigencode.data.synthetic import Kind, Law, PlantedCode
from eigencode.measures.protocol import Readable, Reading
from eigencode.robustness.survival import share
from eigencode.spectra.cvpca import cvpca
from eigencode.spectra.power_law import fit_line
from eigencode.spectra.signal import signal_spectrum
from eigencode.spectra.spectrum import Spectrum, spectrum
from eigencode.spectra.windows import Z95
from eigencode.study.step import Inputs, Step

PARAMETERS = {"alpha_1": "α₁", "break_rank": "break", "alpha_2": "α₂"}
"""The parameters of a broken law, and their names in tables."""

ESTIMATORS = {"spectrum": "", "cvpca": "cvPCA", "signal_spectrum": "moments"}
"""Functions that estimate a spectrum, and their names in tables."""

IDENTIFIED = ("bias where identified", "coverage where identified")
"""Names of bias and coverage of the fits without a warning."""


@dataclass(frozen=True)
class Calibration(Record):
    """Estimates of one number from independent samples of one population, and its true value.

    The number is α of a line over `window`, whose `truth` is the same fit to the exact eigenvalues; or a parameter of
    the law of all ranks, as planted.  NaN where a sample gave no number, or no interval.  `plain`: uncorrected, or the
    same as `alpha`.  `warned`: of a fit with a warning, without a number, or for which the moments prefer another law.
    """

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

    @property
    def coverage_identified(self) -> Estimate:
        """The same of the fits without a warning; NaN if all have one."""
        kept = ~self.warned
        n = int(kept.sum())
        return share(int(self.covered[kept].sum()), n) if n and self.measured else Estimate(float("nan"), n=n)

    def bias(self, name: str, identified: bool = False) -> Estimate:
        """Mean of `alpha` or `plain` minus the truth, ± 1.96 standard errors of the mean, where there is a number.

        `identified`: of the fits without a warning.
        """
        error = getattr(self, name) - self.truth
        error = error[error.isfinite() & ~(self.warned & identified)]
        if len(error) < 2:
            return Estimate(math.nan, n=len(error))
        mean, half = float(error.mean()), 1.96 * float(error.std()) / len(error) ** 0.5
        return Estimate(mean, mean - half, mean + half, n=len(error), method="95 %, normal")


@dataclass(frozen=True)
class Coverage(Readable):
    """Reads the numbers of the table from a `Calibration`: bias, width and coverage of the intervals.

    `estimator`: a key of `ESTIMATORS`, with so many noisy `repeats`.
    """

    estimator: str = "spectrum"
    repeats: int = 1
    kind: ClassVar[str] = "calibration"
    record: ClassVar[type[Record]] = Calibration

    @property
    def name(self) -> str:
        """Name of the estimate in tables; "" without noise."""
        return f"{ESTIMATORS[self.estimator]}, {self.repeats} repeats" if self.estimator != "spectrum" else ""

    @property
    def shown(self) -> tuple[str, ...]:
        """The numbers in the table of the study."""
        chosen = {"cvpca": ("bias", "coverage"), "signal_spectrum": (*IDENTIFIED, "warned")}
        return chosen.get(self.estimator, self.names())

    def title(self, name: str) -> str:
        return name or "coverage"

    def names(self) -> tuple[str, ...]:
        own = {"spectrum": ("bias of the plain fit",), "cvpca": (), "signal_spectrum": IDENTIFIED}[self.estimator]
        return self._truth, "bias", *own, "standard deviation", "half width", "coverage", "warned"

    @property
    def _truth(self) -> str:
        return "true value" if self.estimator == "signal_spectrum" else "true α"

    def readings(self, record: Calibration) -> Iterator[Reading]:
        n, window = len(record.alpha), f"ranks {record.window[0]}..{record.window[1]}"
        moments, known = self.estimator == "signal_spectrum", record.alpha[record.alpha.isfinite()]
        half = float(((record.high - record.low) / 2).nanmedian())
        truth = "as planted" if moments else f"{window} of the population's eigenvalues"
        interval = "1.96 standard errors over stimuli" if self.estimator == "cvpca" else "95 % interval"
        other = ", or for which another law is preferred" if moments else ""
        yield Reading(self._truth, record.truth, convention=truth)
        error = f"mean error{'' if moments else ' of α'} over"
        yield Reading.of("bias", record.bias("alpha"), f"{error} {len(known)} samples")
        if self.estimator == "spectrum":
            said = "the same, of fits to the measured eigenvalues"
            yield Reading.of("bias of the plain fit", record.bias("plain"), said)
        if moments:
            bias, coverage = record.bias("alpha", identified=True), record.coverage_identified
            yield Reading.of(IDENTIFIED[0], bias, f"{error} the fits that are not warned")
            said = "share of the intervals of fits that are not warned which hold the true value"
            yield Reading.of(IDENTIFIED[1], coverage, said)
        spread = float(known.std()) if len(known) > 1 else math.nan
        yield Reading("standard deviation", spread, convention="over samples" if moments else "of α")
        yield Reading("half width", half, convention=f"median over samples, {interval}")
        yield Reading.of("coverage", record.coverage, f"share of {n} intervals that hold the {self._truth}")
        warned = float(record.warned.double().mean())
        yield Reading("warned", warned, convention=f"share of the fits with a warning{other}")


@dataclass(frozen=True)
class Fit:
    """One estimate from one sample."""

    alpha: float
    plain: float
    low: float
    high: float
    standard_error: float
    warned: bool


NO_FIT = Fit(math.nan, math.nan, math.nan, math.nan, math.nan, True)


@dataclass(frozen=True)
class CalibrationBlock(Step):
    """Fits to the replicates `first` .. `first + count − 1` of one population.

    With noise (`snr`), the axes of the population are the units: both estimators use inner products of responses only.
    cvPCA has no interval for the α of the population; that of its fits is α ± 1.96 standard errors over stimuli.
    """

    kind: Kind
    alpha: Law
    units: int
    samples: int
    window: tuple[int, int]
    weights: str
    first: int
    count: int
    estimator: str = "spectrum"
    snr: float = 0.0
    repeats: int = 1
    name: ClassVar[str] = "block"

    @property
    def parts(self) -> tuple[str, ...]:
        """The numbers that are estimated, each with a record in a subfolder of its name; "" is α, in the folder."""
        broken = self.estimator == "signal_spectrum" and isinstance(self.alpha, tuple)
        return tuple(PARAMETERS) if broken else ("",)

    def describe(self) -> str:
        return f"replicates {self.first}..{self.first + self.count - 1}"

    def run(self, folder: Path, inputs: Inputs) -> None:
        population = PlantedCode.of(self.units, self.alpha, self.kind, None if self.snr else 0)
        found = [self._fits(population, seed) for seed in self.seeds()]
        for part in self.parts:
            fits = [fit[part] for fit in found]
            columns = {
                name: torch.tensor([getattr(f, name) for f in fits], dtype=torch.float64)
                for name in ("alpha", "plain", "low", "high", "standard_error")
            }
            warned = torch.tensor([f.warned for f in fits])
            truth = self._truth(population, part)
            (folder / part).mkdir(exist_ok=True)
            Calibration(truth, self.window, self.samples, **columns, warned=warned).save(folder / part)

    def seeds(self) -> range:
        """One seed per replicate."""
        return range(self.first, self.first + self.count)

    def _truth(self, population: PlantedCode, part: str) -> float:
        if self.estimator != "signal_spectrum":
            return fit_line(population.eigenvalues, self.window, self.weights).alpha
        return float(self.alpha[list(PARAMETERS).index(part)] if isinstance(self.alpha, tuple) else self.alpha)

    def _fits(self, population: PlantedCode, seed: int) -> dict[str, Fit]:
        """The estimates from one replicate, by part."""
        if self.estimator == "spectrum":
            return {"": self._line(spectrum(population.sample(self.samples, seed), seed=seed))}
        x = population.repeats(self.samples, self.repeats, self.snr, seed)
        if self.estimator == "cvpca":
            return {"": self._line(cvpca(x, seed=seed))}
        found = signal_spectrum(x, seed=seed)
        other = (found.law == "broken power law") != isinstance(self.alpha, tuple)
        fits = {}
        for part in self.parts:
            e: Estimate = getattr(found, part or "alpha")
            doubt = other or bool(found.warnings) or math.isnan(e.value)
            fits[part] = Fit(e.value, e.value, e.low, e.high, (e.high - e.low) / 2 / Z95, doubt)
        return fits

    def _line(self, found: Spectrum) -> Fit:
        """The fit of a line over the window; no number if a value of cvPCA in it is not positive."""
        low, high = self.window
        if self.estimator == "cvpca" and not bool((found.eigenvalues[low - 1 : high] > 0).all()):
            return NO_FIT
        law = found.power_law(self.window, self.weights)
        half = Z95 * law.standard_error
        ends = (law.alpha - half, law.alpha + half) if self.estimator == "cvpca" else law.interval
        return Fit(law.alpha, law.plain, *ends, law.standard_error, bool(law.warnings))


@dataclass(frozen=True)
class CalibrationCell(Step):
    """All replicates of one population: the records of its blocks, joined."""

    blocks: tuple[CalibrationBlock, ...]
    name: ClassVar[str] = "calibration"

    def run(self, folder: Path, inputs: Inputs) -> None:
        for part in self.blocks[0].parts:
            records = [Calibration.load(inputs.folder(block) / part) for block in self.blocks]
            first = records[0]
            together = {name: torch.cat([r.tensors()[name] for r in records]) for name in first.tensors()}
            (folder / part).mkdir(exist_ok=True)
            Calibration(first.truth, first.window, first.n_samples, **together).save(folder / part)
