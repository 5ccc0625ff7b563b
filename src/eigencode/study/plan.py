"""Plan a study: one cell per data set × model × seed × measurement, with its step and the labels of its results."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigencode.base.border import admit
from eigencode.base.errors import InputError, StudyError
from eigencode.measures.protocol import Readable
from eigencode.study._architecture import architecture, places, units_at
from eigencode.study._catalogue import decisive
from eigencode.study._checks import check
from eigencode.study._extensions import variants
from eigencode.study._measurements import DATA_ITSELF, RAW, Planned, calibrated, measurements
from eigencode.study._planted import Planted
from eigencode.study._snapshots import course, layers, training
from eigencode.study.config import Model, Study
from eigencode.study.step import Step
from eigencode.study.steps.calibration import CalibrationBlock, CalibrationCell
from eigencode.study.steps.data import Data, data
from eigencode.study.steps.fitted import Fitted
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.measured import Measured
from eigencode.study.steps.network import NetworkStep
from eigencode.study.steps.pruned import Pruned
from eigencode.study.steps.rectified import Rectified
from eigencode.study.steps.sharded import split
from eigencode.study.steps.trained import Trained
from eigencode.study.steps.units import UnitsOf

BLOCK = 20
"""Replicates per step of a calibration."""


@dataclass(frozen=True)
class Cell:
    """One measurement of a study: the step that makes its record, and the measure that reads numbers from it.

    Attributes:
        quantity: title of the record.
        name: of the measurement; the names of its numbers begin with it.
        measure: reads the record.
        network: the step that made the network; None for the images themselves.
        part: subfolder of the record in the folder of the step.
        note: text added at the end of the convention of every number.
        epoch: epochs of training after which a snapshot was measured; None: the finished network.
        at_step: the same in training steps.
    """

    data: str
    model: str
    seed: int
    kind: str
    quantity: str
    step: Step
    name: str
    measure: Readable
    network: NetworkStep | None = None
    part: str = ""
    note: str = ""
    epoch: float | None = None
    at_step: int | None = None

    def made_by(self) -> list[Step]:
        """The steps that made its network, last first."""
        return _chain(self.network)


def plan(study: Study, data_dir: Path | str | None = None) -> list[Cell]:
    """List all cells of a study; reads the data sets, whose hashes are part of the keys, but trains nothing.

    Raises:
        StudyError: a mistake in the study, such as an unknown name or setting.
        DataError: a data set that cannot be read.
    """
    admit(plan, locals())
    check(study)
    cells: list[Cell] = []
    found = measurements(study)
    for name in study.datasets:
        images = data(name, data_dir, study.train_images, study.test_images)
        for seed in study.seeds:
            if study.data_spectrum:
                cells += _data_cells(study, images, found, seed)
            for label, model in study.models.items():
                cells += _model_cells(study, images, found, label, model, seed)
    if len(study.models) == len(study.networks):  # else one that was left out may have the snapshot
        _check_moments(found, cells)
    if study.calibration is not None:
        cells += _calibration_cells(study.calibration)
    return cells


def check_sizes(study: Study, data_dir: Path | str | None = None) -> None:
    """Refuse a measurement that the layer of no network, or the number of test images, is large enough for.

    Also one in more shards than there are images.

    Raises:
        StudyError: the first of them, for a run to find before it trains anything.
    """
    for name in study.datasets:
        _, test = data(name, data_dir, study.train_images, study.test_images).pair()
        for p in measurements(study):
            if p.shards > 1 and p.shards > (most := p.measure.used(len(test))):  # type: ignore[attr-defined]
                raise StudyError(f"{p.name} on {name}: more shards than images", got=p.shards, wanted=f"at most {most}")
        for p in (p for p in measurements(study) if p.place):
            here = [m for m in study.networks if p.place in places(m)]
            refused = [
                e
                for m in here
                if (e := _too_small(p, units_at(m, p.place, test, getattr(p.measure, "reduce", "flatten")), len(test)))
                is not None
            ]
            if refused and len(refused) == len(here):
                raise StudyError(f"{p.name} at {p.place!r} on {name}: {refused[0]}") from refused[0]


def _too_small(planned: Planned, units: int | None, images: int) -> InputError | None:
    try:
        if units is not None:
            planned.measure.check(units, images)
    except InputError as error:
        return error
    return None


def networks(study: Study, images: Data, model: Model, seed: int) -> NetworkStep:
    """The last of the chain of steps that make this network."""
    common = {"data": images, "seed": seed, "validation": study.validation}
    step = _variant(model, Initial(**common, architecture=architecture(model), weights=model.weights))  # type: ignore[arg-type]
    if model.local is not None:
        local = {**common, "start": step, "local": model.local.settings()}
        step = _variant(model, training(LocallyTrained, local, model.local, layers(model)))
        if model.prune:
            step = _variant(model, Pruned(**common, start=step))  # type: ignore[arg-type]
        step = _rectified(model, step)
    if model.supervised is not None:
        supervised = {**common, "start": step, "supervised": model.supervised.settings()}
        step = _variant(model, training(Trained, supervised, model.supervised))
    if model.ridge is not None:
        step = _variant(model, Fitted(**common, start=step, ridge=model.ridge.model_dump()))  # type: ignore[arg-type]
    return _variant(model, step, last=True)


def _rectified(model: Model, step: NetworkStep) -> NetworkStep:
    """The network of a step with the activation of the model's `readout_n`, if it has one."""
    if model.readout_n is None:
        return step
    return Rectified(step.data, step.seed, step.validation, step, model.readout_n)


def _variant(model: Model, step: NetworkStep, last: bool = False) -> NetworkStep:
    """Apply the variants of the model to one of its steps."""
    for name in model.published:
        change = variants()[name].network
        step = step if change is None else change(step, last)
    return step


def _chain(step: Step | None) -> list[Step]:
    """A step and, recursively, the network it started from, last first."""
    return [] if step is None else [step, *_chain(getattr(step, "start", None))]


def _data_cells(study: Study, images: Data, found: list[Planned], seed: int) -> Iterator[Cell]:
    for p in found:
        if p.measure.of_data:
            # images do not depend on the seed: all seeds share one step
            drawn = seed if getattr(p.measure, "source", "") == "noise" else study.seeds[0]
            step = split(Measured(images, None, "input", drawn, decisive(p.used, p.measure)), p.shards)
            yield Cell(images.name, DATA_ITSELF, seed, p.measure.kind, p.measure.title(p.name), step, p.name, p.measure)


def _model_cells(
    study: Study, images: Data, found: list[Planned], label: str, model: Model, seed: int
) -> Iterator[Cell]:
    """The cells of one network, of its local layer before pruning, and of the snapshots of its training."""
    chain = _chain(networks(study, images, model, seed))
    stages: dict[str, NetworkStep] = {"last": chain[0]}  # type: ignore[dict-item]
    for made in chain:
        stages |= {"local": made} if isinstance(made, LocallyTrained) else {}
        stages |= {"pruned": made} if isinstance(made, Pruned) else {}

    def cell(p: Planned, net: NetworkStep, kind: str, name: str, note: str = "", **moment: Any) -> Cell:
        measure = p.measure
        held = net.held.get(measure.kind)
        step: Step = net
        if held is None:
            step = split(Measured(images, net, p.place, seed, decisive(p.used, measure)), p.shards)
        if measure.kind == "pruning":
            step = UnitsOf(net, stages["local"])  # type: ignore[arg-type]
        where = (images.name, label, seed, kind, measure.title(name))
        return Cell(*where, step, name, measure, net, held or "", note, **moment)

    here = [p for p in found if p.measure.stage in stages and p.fits(model)]
    for p in here:
        yield cell(p, stages[p.measure.stage], p.measure.kind, p.name)
    for p in here if "pruned" in stages else []:
        if p.raw:
            yield cell(p, _rectified(model, stages["local"]), RAW, f"{p.name}, {RAW}", ", before pruning")
    for p in here:
        for epoch, done, made in course(model, p, chain) if p.when else ():
            net = _variant(model, made, last=True) if isinstance(made, Trained | Fitted) else made
            raw = "pruned" in stages and p.measure.stage == "last" and stages["pruned"] not in _chain(net)
            yield cell(p, net, p.measure.kind, p.name, ", before pruning" * raw, epoch=epoch, at_step=done)


def _check_moments(found: list[Planned], cells: list[Cell]) -> None:
    """Refuse a moment at which no model has a snapshot."""
    for p in (p for p in found if p.when and p.when != "snapshots"):
        known = sorted({c.epoch for c in cells if c.name == p.name and c.epoch is not None})
        for epoch in p.when:
            if not any(math.isclose(epoch, other, rel_tol=1e-6, abs_tol=1e-9) for other in known):  # type: ignore[arg-type]
                raise StudyError(
                    f"{p.name}: no model has a snapshot to measure at this moment",
                    got=f"epoch {epoch}",
                    wanted='one of its `snapshots` or its end; or when = "snapshots"',
                )


def _calibration_cells(planted: Planted) -> Iterator[Cell]:
    """One cell per population and number; its replicates form blocks, which can run in parallel and be resumed."""
    starts = range(0, planted.replicates, BLOCK)
    for p in planted.populations():
        window = (planted.n_min, int(planted.top * min(p.units, p.samples - 1) + 1e-9))
        common = (p.kind, p.alpha, p.units, p.samples, window, planted.weights)
        for reads in calibrated(planted):
            by = (reads.estimator, p.snr, reads.repeats)
            blocks = [CalibrationBlock(*common, i, min(BLOCK, planted.replicates - i), *by) for i in starts]
            step, title = CalibrationCell(tuple(blocks)), reads.title(reads.name)
            for part in blocks[0].parts:
                yield Cell(p.data, p.of(part), 0, reads.kind, title, step, reads.name, reads, part=part)
