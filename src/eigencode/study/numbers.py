"""The numbers in a finished result, by kind of measurement: the one of the table, and what else a claim may name."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from eigencode.base.errors import InputError
from eigencode.geometry.maps import Landscape
from eigencode.robustness.certified import CertifiedSizes
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.robustness.survival import quantile, wilson
from eigencode.rules.convergence import TOLERANCE, Convergence
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum
from eigencode.spectra.windows import automatic
from eigencode.study.config import SpectrumMeasure, Study
from eigencode.study.plan import Cell
from eigencode.study.quantities import (
    ALL_IMAGES,
    BROKEN_ONLY,
    COVERAGE,
    RAW,
    WINNING,
    at_eps,
    curve_name,
    of_width,
    reading,
    spectrum_name,
)
from eigencode.study.steps.calibration import Calibration
from eigencode.study.steps.measures import Accuracy
from eigencode.study.steps.pruning import Units

NONE = math.nan


@dataclass(frozen=True)
class Number:
    """A number with its interval over images (NaN where there is none) and what it means."""

    quantity: str
    value: float
    low: float
    high: float
    convention: str
    warnings: tuple[str, ...] = ()


def numbers(study: Study, cell: Cell, folder: Path) -> list[Number]:
    """All numbers of a cell; the first is called like the cell, except for curves, landscapes and calibrations."""
    return list(READERS[cell.kind](study, cell, folder))


def _accuracy(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    found = Accuracy.load(folder)
    yield Number(cell.quantity, found.value, found.low, found.high, f"share of {found.n} test images")


def _spectrum(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    measure = next(s for s in study.spectra if spectrum_name(s) == cell.quantity)
    spectrum = Spectrum.load(folder)
    yield _alpha(spectrum, measure, cell.quantity)
    yield from _straightness(spectrum, measure, cell.quantity)


def _raw(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    measure = next(s for s in study.spectra if reading(spectrum_name(s), RAW) == cell.quantity)
    spectrum = Spectrum.load(folder)
    for found in (_alpha(spectrum, measure, cell.quantity), *_straightness(spectrum, measure, cell.quantity)):
        yield replace(found, convention=f"{found.convention}, before pruning")


def _widths(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    """α of nested sets of units; the window ends at half of the units at the latest."""
    measure = next(s for s in study.spectra if reading(spectrum_name(s), "by width") == cell.quantity)
    parts = {int(p.name.partition("-")[2]): p for p in folder.glob("width-*")}
    for units in measure.widths:
        found = min(units, max(parts))  # a layer that has fewer
        window = (measure.window[0], min(measure.window[1], found // 2))
        narrow = measure.model_copy(update={"window": window})
        yield _alpha(Spectrum.load(parts[found]), narrow, reading(spectrum_name(measure), of_width(units)))


def _alpha(spectrum: Spectrum, measure: SpectrumMeasure, name: str) -> Number:
    """The fit the study asks for; NaN with the reason where this spectrum has no such fit."""
    convention = _window(measure)
    law = _law(spectrum, measure)
    if isinstance(law, str):
        return Number(name, NONE, NONE, NONE, convention, (f"{name}: {law}",))
    return Number(name, law.alpha, *law.interval, convention, law.warnings)


def _law(spectrum: Spectrum, measure: SpectrumMeasure) -> PowerLaw | str:
    """The fit, or why there is none: a slope through rounding errors is no property of the code (unless the rounding
    is the departure that is shown)."""
    usable = len(spectrum.logs.values)
    if usable < measure.window[1] <= len(spectrum.eigenvalues) and not measure.published:
        return f"the eigenvalues beyond rank {usable} are rounding, and the window ends at {measure.window[1]}"
    try:
        return spectrum.power_law(window=measure.window, weights=measure.weights)
    except InputError as error:
        return "; ".join(" ".join(line.split()) for line in str(error).splitlines())


def _window(measure: SpectrumMeasure) -> str:
    return f"ranks {measure.window[0]}..{measure.window[1]}, weights {measure.weights}"


def _calibrated(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    """What a calibration says of one population, in the order of the table."""
    found = Calibration.load(folder)
    n, window = len(found.alpha), f"ranks {found.window[0]}..{found.window[1]}"
    half = float(((found.high - found.low) / 2).median())
    coverage, plain, corrected = found.coverage, found.bias("alpha"), found.bias("corrected")
    yield Number("true α", found.truth, NONE, NONE, f"{window} of the population's eigenvalues")
    yield Number("bias", plain.value, *plain.interval, f"mean error of α over {n} samples")
    yield Number("bias corrected", corrected.value, *corrected.interval, "the same of alpha_corrected")
    yield Number("standard deviation", float(found.corrected.std()), NONE, NONE, "of alpha_corrected")
    yield Number("half width", half, NONE, NONE, "median over samples, 95 % interval")
    yield Number(COVERAGE, coverage.value, *coverage.interval, f"share of {n} intervals that hold the true α")
    yield Number("warned", float(found.warned.double().mean()), NONE, NONE, "share of the fits with a warning")


def _straightness(spectrum: Spectrum, measure: SpectrumMeasure, name: str) -> Iterator[Number]:
    """Is it a power law over the window, how bent is it, and over how many decades of ranks would it be one?"""
    yes, bend = _compared(spectrum, measure)
    said = f"1: a power law over {_window(measure)}, 0: not; the test allows for the sampling error over images"
    yield Number(reading(name, "power law"), yes, yes, yes, said)
    said = f"|difference of the slopes of the halves| / |α|, {_window(measure)}"
    yield Number(reading(name, "bend"), bend, NONE, NONE, said)
    said = "log₁₀ n_max / n_min of the widest window whose halves have equal slopes; 0: there is none"
    yield Number(reading(name, "decades"), _decades(spectrum, measure), NONE, NONE, said)


def _compared(spectrum: Spectrum, measure: SpectrumMeasure) -> tuple[float, float]:
    """(is it a power law, bend); NaN for windows in which laws cannot be told apart."""
    try:
        found = spectrum.compare(measure.window, measure.weights)
    except InputError:
        return NONE, NONE
    return float(found.is_power_law), found.bend


def _decades(spectrum: Spectrum, measure: SpectrumMeasure) -> float:
    try:
        low, high = automatic(spectrum.logs, measure.weights)
    except InputError:
        return 0.0
    return math.log10(high / low)


def _critical(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    sizes = CriticalSizes.load(folder)
    censored, name = int(sizes.censored.sum()), cell.quantity
    said = (f"{censored} of {sizes.n_correct} images were never broken",) if censored else ()
    where = f"median L2, {sizes.space} space"
    yield Number(name, sizes.median.value, *sizes.median.interval, where, said)
    everything = sizes.quantile(0.5, errors_as_zero=True)
    told = f"{where}, of all {sizes.n} images; those wrong without perturbation count as 0"
    yield Number(reading(name, ALL_IMAGES), everything.value, *everything.interval, told, said)
    broken = quantile(sizes.size[~sizes.censored], sizes.censored[~sizes.censored])
    told = f"{where}, images that were never broken left out"
    yield Number(reading(name, BROKEN_ONLY), broken.value, *broken.interval, told, said)
    hits = torch.tensor([float(sizes.n_correct - censored)], dtype=torch.float64)
    low, high = wilson(hits, sizes.n_correct)
    share = float(hits) / sizes.n_correct if sizes.n_correct else NONE
    yield Number(reading(name, "broken"), share, float(low), float(high), "share of the images classified correctly")
    if not math.isnan(sizes.zero_gradients):
        told = "share of the gradients the attack asked for"
        yield Number(reading(name, "zero gradients"), sizes.zero_gradients, NONE, NONE, told)
    if sizes.masking.n:
        flagged = float(bool(sizes.masking.flags))
        told = f"1: a sign of masked gradients on {sizes.masking.n} images, 0: none"
        yield Number(reading(name, "masking"), flagged, flagged, flagged, told, sizes.masking.flags)


def _certified(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    sizes = CertifiedSizes.load(folder)
    where = f"median certified size, {sizes.norm}, {sizes.space} space: no attack has a smaller median"
    yield Number(cell.quantity, sizes.median.value, *sizes.median.interval, where)
    everything = sizes.quantile(0.5, errors_as_zero=True)
    told = f"{where}, of all {sizes.n} images; those wrong without perturbation count as 0"
    yield Number(reading(cell.quantity, ALL_IMAGES), everything.value, *everything.interval, told)


def _curve(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    """The accuracy at the eps the study names."""
    measure = next(v for v in study.curves if curve_name(v) == cell.quantity)
    found = Curve.load(folder)
    for eps in measure.at:
        i = int((found.eps.log() - math.log(eps)).abs().argmin())
        value, low, high = (float(series[i]) for series in (found.accuracy, found.accuracy_low, found.accuracy_high))
        told = f"share of {found.n} test images still right at eps = {eps:g} of {found.attack}, {found.space} space"
        yield Number(reading(cell.quantity, at_eps(eps)), value, low, high, told, found.masking.flags)


def _landscape(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    view, name = Landscape.load(folder), cell.quantity
    where = f"{view.place}, plane of half side {view.radius:.3g}, {view.space} space"
    yield Number(reading(name, "Jacobian norm"), median_norm(view), NONE, NONE, f"median of ‖∂z/∂x‖_F, {where}")
    told = f"standard deviation of log ‖∂z/∂x‖_F, {where}"
    yield Number(reading(name, "roughness"), roughness(view), NONE, NONE, told)
    if len(view.boundary):
        nearest = float(view.boundary.min())
        told = f"L2 distance to the nearest change of class along {len(view.boundary)} rays, {view.space} space"
        within = math.isfinite(nearest)
        said = (
            () if within else (f"no other class within {view.reach:.3g}: {reading(name, 'boundary')} is at least that",)
        )
        value = nearest if within else view.reach
        yield Number(
            reading(name, "boundary"), value, NONE if within else value, NONE if within else math.inf, told, said
        )


def median_norm(view: Landscape) -> float:
    """Median of the Jacobian norm over the points of a plane."""
    return float(view.jacobian.quantile(0.5))


def roughness(view: Landscape) -> float:
    """Standard deviation over the plane of log ‖J‖: 0 where the norm is the same everywhere, whatever its size.

    Infinite if the norm is zero somewhere but not everywhere.
    """
    if bool((view.jacobian == 0).all()):
        return 0.0
    if bool((view.jacobian == 0).any()):
        return math.inf
    return float(view.jacobian.log().std(correction=0))


def _convergence(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    state = Convergence.load(folder / "convergence")
    count = len(state.norm)
    told = f"share of {count} units with |‖W‖_p − R| ≤ {TOLERANCE:g}, before pruning"
    yield Number(cell.quantity, state.fraction, NONE, NONE, told)
    if bool((state.wins >= 0).all()):
        told = f"share of {count} units that win an image in the last epoch"
        yield Number(WINNING, 1 - state.never_won / count, NONE, NONE, told)


def _pruning(study: Study, cell: Cell, folder: Path) -> Iterator[Number]:
    found = Units.load(folder)
    share = found.n_kept / len(found.kept)
    yield Number(cell.quantity, share, NONE, NONE, f"share of {len(found.kept)} units that pruning left")


READERS: dict[str, Callable[[Study, Cell, Path], Iterator[Number]]] = {
    "accuracy": _accuracy,
    "spectrum": _spectrum,
    "widths": _widths,
    RAW: _raw,
    "critical": _critical,
    "certified": _certified,
    "curve": _curve,
    "landscape": _landscape,
    "convergence": _convergence,
    "pruning": _pruning,
    "calibration": _calibrated,
}
"""Kind of cell -> the numbers in its record."""
