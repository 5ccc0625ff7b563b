"""From a study to its steps: every cell of data × model × seed × measurement, with the labels results carry."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from eigencode.study.checks import check
from eigencode.study.config import (
    CriticalMeasure,
    Model,
    Planted,
    Study,
)
from eigencode.study.quantities import (
    ACCURACY,
    CODES,
    CONVERGED,
    COVERAGE,
    DATA_ITSELF,
    KEPT,
    RAW,
    certified_name,
    critical_name,
    curve_name,
    landscape_name,
    reading,
    spectrum_name,
)
from eigencode.study.step import Step
from eigencode.study.steps.accuracy import TestAccuracy
from eigencode.study.steps.calibration import CalibrationBlock, CalibrationCell
from eigencode.study.steps.certified import Certified
from eigencode.study.steps.data import Data, data
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.landscapes import LandscapeOf
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.measures import Critical, CurveOf
from eigencode.study.steps.network import NetworkStep
from eigencode.study.steps.pruned import Pruned
from eigencode.study.steps.published import CriticalOnGrid, CurveAsPublished
from eigencode.study.steps.published_networks import EvaluatedInTraining, PrunedAlways
from eigencode.study.steps.published_spectrum import SpectrumInSingle
from eigencode.study.steps.spectra import SpectraByWidth, SpectrumOf
from eigencode.study.steps.trained import Trained
from eigencode.study.steps.units import UnitsOf

PLANTED = "planted codes"
"""What stands in place of a data set where populations are known."""

BLOCK = 20
"""Replicates per step of a calibration."""


@dataclass(frozen=True)
class Cell:
    """One measurement of a study: what it is called, and the step that makes it."""

    data: str
    model: str
    seed: int
    kind: str
    quantity: str
    step: Step
    network: NetworkStep | None = None

    def made_by(self) -> list[Step]:
        """The steps that made its network, last first."""
        return _chain(self.network)


def plan(study: Study, data_dir: Path | str | None = None) -> list[Cell]:
    """All cells of a study.  Reads the data sets (their hashes are part of every key) and trains nothing.

    Raises:
        StudyError: a rule, penalty or attack that does not exist, or a setting it does not have.
        DataError: a data set that cannot be read.
    """
    check(study)
    cells: list[Cell] = []
    for name in study.datasets:
        images = data(name, data_dir, study.train_images, study.test_images)
        for seed in study.seeds:
            cells += _data_cells(study, images, seed)
            for label, model in study.models.items():
                cells += _model_cells(study, images, label, model, seed)
    if study.calibration is not None:
        cells += _calibration_cells(study.calibration)
    return cells


def networks(study: Study, images: Data, model: Model, seed: int) -> NetworkStep:
    """The last of the steps that make this network."""
    common = {"data": images, "seed": seed, "validation": study.validation}
    step: NetworkStep = Initial(**common, architecture=_architecture(model))  # type: ignore[arg-type]
    if model.local is not None:
        assert isinstance(step, Initial)
        step = LocallyTrained(**common, start=step, local=model.local.model_dump())  # type: ignore[arg-type]
        if model.prune:
            how = PrunedAlways if "D6" in model.published else Pruned
            step = how(**common, start=step)  # type: ignore[arg-type]
    if model.supervised is not None:
        step = Trained(**common, start=step, supervised=model.supervised.model_dump())  # type: ignore[arg-type]
    if "D5" in model.published:
        step = EvaluatedInTraining(**common, start=step)  # type: ignore[arg-type]
    return step


def _chain(step: Step | None) -> list[Step]:
    """A network and those it started from, last first."""
    return [] if step is None else [step, *_chain(getattr(step, "start", None))]


def _architecture(model: Model) -> dict[str, object]:
    common = {"kind": model.kind, "units": model.units, "norm_p": model.norm_p}
    if model.kind == "perceptron":
        batch_norm = model.batch_norm and "D17" not in model.published
        return {**common, "n": 1.0 if model.n is None else model.n, "batch_norm": batch_norm}
    n = 4.5 if model.n is None else model.n
    return {**common, "p": model.p, "n": n, "radius": model.radius, "spread": model.spread}


def _data_cells(study: Study, images: Data, seed: int) -> Iterator[Cell]:
    if not study.data_spectrum:
        return
    for measure in study.spectra:
        kind = SpectrumInSingle if measure.published else SpectrumOf
        drawn = seed if measure.source == "noise" else study.seeds[0]  # the images are the same for every seed
        step = kind(images, None, drawn, "input", measure.source, measure.samples)
        yield Cell(images.name, DATA_ITSELF, seed, "spectrum", spectrum_name(measure), step)


def _model_cells(study: Study, images: Data, label: str, model: Model, seed: int) -> Iterator[Cell]:
    net = networks(study, images, model, seed)

    def cell(kind: str, quantity: str, step: Step) -> Cell:
        return Cell(images.name, label, seed, kind, quantity, step, net)

    yield cell("accuracy", ACCURACY, net if isinstance(net, EvaluatedInTraining) else TestAccuracy(images, net))
    for s in study.spectra:
        kind = SpectrumInSingle if s.published else SpectrumOf
        step = kind(images, net, seed, s.place, s.source, s.samples, model.norm_p)
        yield cell("spectrum", spectrum_name(s), step)
        if s.widths:
            nested = SpectraByWidth(images, net, seed, s.place, s.source, s.samples, model.norm_p, s.widths)
            yield cell("widths", f"{spectrum_name(s)}, by width", nested)
    for c in study.critical:
        yield cell("critical", critical_name(c), _critical(images, net, seed, c))
    for b in study.certified:
        yield cell("certified", certified_name(b), Certified(images, net, b.norm, b.images))
    for v in study.curves:
        settings = (images, net, seed, v.attack.model_dump(), v.space, v.images, v.eps, v.points)
        yield cell(
            "curve", curve_name(v), CurveAsPublished(*settings, v.published) if v.published else CurveOf(*settings)
        )
    for m in study.landscapes:
        view = LandscapeOf(images, net, m.image, m.place, m.space, m.radius, m.relative, m.points)
        yield cell("landscape", landscape_name(m), view)
    yield from _unit_cells(study, images, label, model, net)


def _critical(images: Data, net: NetworkStep, seed: int, c: CriticalMeasure) -> Step:
    settings = (images, net, seed, c.attack.model_dump(), c.space, c.images, c.eps_max, c.tolerance)
    if c.grid is None:
        return Critical(*settings)
    unused = (None, 0.0)  # the grid decides, so these must not
    return CriticalOnGrid(*settings[:6], *unused, c.grid.eps, c.grid.points, c.published)


def _unit_cells(study: Study, images: Data, label: str, model: Model, net: NetworkStep) -> Iterator[Cell]:
    """What became of the units of a local layer, and its spectra before pruning."""
    chain = _chain(net)
    local = next((s for s in chain if isinstance(s, LocallyTrained)), None)
    pruned = next((s for s in chain if isinstance(s, Pruned)), None)
    if local is None:
        return
    yield Cell(images.name, label, net.seed, "convergence", CONVERGED, local, local)
    if pruned is not None:
        yield Cell(images.name, label, net.seed, "pruning", KEPT, UnitsOf(pruned, local), pruned)
        for s in study.spectra:
            if s.place in CODES:
                kind = SpectrumInSingle if s.published else SpectrumOf
                step = kind(images, local, net.seed, s.place, s.source, s.samples, model.norm_p)
                yield Cell(images.name, label, net.seed, RAW, reading(spectrum_name(s), RAW), step, local)


def _calibration_cells(planted: Planted) -> Iterator[Cell]:
    """One cell per population, its replicates in blocks that can be interrupted and shared out."""
    combined = product(planted.kinds, planted.alphas, planted.units, planted.samples)
    for kind, alpha, units, ratio in combined:
        samples = round(units * ratio)
        window = (planted.n_min, int(planted.top * min(units, samples - 1)))
        common = (kind, alpha, units, samples, window, planted.weights)
        starts = range(0, planted.replicates, BLOCK)
        blocks = [CalibrationBlock(*common, i, min(BLOCK, planted.replicates - i)) for i in starts]
        label = f"{kind}, α = {alpha:g}, {units} units, {samples} samples"
        yield Cell(PLANTED, label, 0, "calibration", COVERAGE, CalibrationCell(tuple(blocks)))
