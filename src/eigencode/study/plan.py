"""From a study to its steps: every cell of data × model × seed × measurement, with the labels results carry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from eigencode.base.errors import StudyError, nearest
from eigencode.robustness.protocol import Perturbation
from eigencode.study.catalogue import make
from eigencode.study.config import (
    Claim,
    Model,
    Planted,
    Study,
    Supervised,
)
from eigencode.study.quantities import (
    ACCURACY,
    CODES,
    CONVERGED,
    COVERAGE,
    KEPT,
    RAW,
    critical_name,
    curve_name,
    details,
    landscape_name,
    measured,
    names,
    reading,
    spectrum_name,
)
from eigencode.study.step import Step
from eigencode.study.steps.calibration import CalibrationBlock, CalibrationCell
from eigencode.study.steps.data import Data, data
from eigencode.study.steps.landscapes import LandscapeOf
from eigencode.study.steps.measures import Critical, CurveOf, SpectraByWidth, SpectrumOf, TestAccuracy
from eigencode.study.steps.networks import Initial, LocallyTrained, NetworkStep, Pruned
from eigencode.study.steps.pruning import UnitsOf
from eigencode.study.steps.trained import Trained
from eigencode.training.schedule import Schedule

DATA_ITSELF = "data"
"""The row of the data's own spectrum in tables and figures."""

PLANTED = "planted codes"
"""What stands in place of a data set where populations are known."""

BLOCK = 20
"""Replicates per step of a calibration."""

NO_NUMBER = ("curve", "widths")
"""Kinds of cells that figures show and tables do not."""

PLACES = ("input", "encoder", "latent", "logits", "batch_norm")


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
    _check(study)
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
            step = Pruned(**common, start=step)  # type: ignore[arg-type]
    if model.supervised is not None:
        step = Trained(**common, start=step, supervised=model.supervised.model_dump())  # type: ignore[arg-type]
    return step


def _chain(step: Step | None) -> list[Step]:
    """A network and those it started from, last first."""
    return [] if step is None else [step, *_chain(getattr(step, "start", None))]


def _architecture(model: Model) -> dict[str, object]:
    common = {"kind": model.kind, "units": model.units, "norm_p": model.norm_p}
    if model.kind == "perceptron":
        return {**common, "n": 1.0 if model.n is None else model.n, "batch_norm": model.batch_norm}
    n = 4.5 if model.n is None else model.n
    return {**common, "p": model.p, "n": n, "radius": model.radius, "spread": model.spread}


def _data_cells(study: Study, images: Data, seed: int) -> Iterator[Cell]:
    if not study.data_spectrum:
        return
    for measure in study.spectra:
        step = SpectrumOf(images, None, seed, "input", measure.source, measure.samples)
        yield Cell(images.name, DATA_ITSELF, seed, "spectrum", spectrum_name(measure), step)


def _model_cells(study: Study, images: Data, label: str, model: Model, seed: int) -> Iterator[Cell]:
    net = networks(study, images, model, seed)

    def cell(kind: str, quantity: str, step: Step) -> Cell:
        return Cell(images.name, label, seed, kind, quantity, step, net)

    yield cell("accuracy", ACCURACY, TestAccuracy(images, net))
    for s in study.spectra:
        step = SpectrumOf(images, net, seed, s.place, s.source, s.samples, model.norm_p)
        yield cell("spectrum", spectrum_name(s), step)
        if s.widths:
            nested = SpectraByWidth(images, net, seed, s.place, s.source, s.samples, model.norm_p, s.widths)
            yield cell("widths", f"{spectrum_name(s)}, by width", nested)
    for c in study.critical:
        settings = (c.space, c.images, c.eps_max, c.tolerance)
        yield cell("critical", critical_name(c), Critical(images, net, seed, c.attack.model_dump(), *settings))
    for v in study.curves:
        settings_ = (v.space, v.images, v.eps, v.points)
        yield cell("curve", curve_name(v), CurveOf(images, net, seed, v.attack.model_dump(), *settings_))
    for m in study.landscapes:
        view = LandscapeOf(images, net, m.image, m.place, m.space, m.radius, m.relative, m.points)
        yield cell("landscape", landscape_name(m), view)
    yield from _unit_cells(study, images, label, model, net)


def _unit_cells(study: Study, images: Data, label: str, model: Model, net: NetworkStep) -> Iterator[Cell]:
    """What became of the units of a local layer, and its spectra before pruning."""
    chain: dict[type, NetworkStep] = {type(s): s for s in _chain(net) if isinstance(s, NetworkStep)}
    local, pruned = chain.get(LocallyTrained), chain.get(Pruned)
    if local is not None:
        yield Cell(images.name, label, net.seed, "convergence", CONVERGED, local, local)
    if pruned is not None:
        assert isinstance(local, LocallyTrained)
        yield Cell(images.name, label, net.seed, "pruning", KEPT, UnitsOf(pruned, local), pruned)
        for s in study.spectra:
            if s.place in CODES:
                step = SpectrumOf(images, local, net.seed, s.place, s.source, s.samples, model.norm_p)
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


def _check(study: Study) -> None:
    """Names and settings that only the plugin folders know, places that no network has, names used twice."""
    for label, model in study.models.items():
        if label == DATA_ITSELF:
            raise StudyError(f"a model may not be called {DATA_ITSELF!r}: that is the data's own row")
        if model.local is not None and model.kind != "krotov_hopfield":
            raise StudyError(f"models.{label}: local training needs kind = 'krotov_hopfield'", got=model.kind)
        if model.prune and model.local is None:
            raise StudyError(f"models.{label}: nothing to prune without local training")
        if model.local is not None:
            make("rules", model.local.rule, p=model.p, radius=model.radius)
        if model.supervised is not None:
            _check_supervised(label, model.supervised)
    for attack in [c.attack for c in study.critical] + [v.attack for v in study.curves]:
        make("robustness", attack)
    for kind, place in [("spectra", s.place) for s in study.spectra] + [
        ("landscapes", m.place) for m in study.landscapes
    ]:
        if place not in PLACES:
            raise StudyError(f"{kind}.place is unknown", got=place, fix=nearest(place, PLACES))
    for claim in study.claims:
        _check_claim(study, claim)
    several: dict[str, Sequence[object]] = {
        "seeds": study.seeds,
        "data": study.datasets,
        "quantities": names(study),
    }
    for kind, values in several.items():
        if not values and study.models:
            raise StudyError(f"the study has no {kind}", wanted="at least one")
        twice = sorted({str(v) for v in values if values.count(v) > 1})
        if twice:
            fix = "give each measurement a `name`" if kind == "quantities" else f"name each of the {kind} once"
            raise StudyError(f"the same name twice among the {kind}", got=", ".join(twice), fix=fix)


def _check_supervised(label: str, plan: Supervised) -> None:
    for penalty in plan.penalties:
        make("penalties", penalty)
    Schedule(**plan.schedule.model_dump())
    if plan.adversarial is not None and not isinstance(make("robustness", plan.adversarial.attack), Perturbation):
        got, wanted = plan.adversarial.attack.name, "an attack of a given size, such as PGD"
        raise StudyError(f"models.{label}: this attack cannot be trained against", got=got, wanted=wanted)


def _check_claim(study: Study, claim: Claim) -> None:
    """A claim names what is measured, and says one thing."""
    known = [*measured(study), *details(study)]
    if claim.quantity not in known:
        fix = nearest(claim.quantity, known)
        raise StudyError("a claim about what is not measured", got=claim.quantity, wanted=", ".join(known), fix=fix)
    rows = [*study.models, DATA_ITSELF]
    for name in (*claim.order, *(n for n in (claim.model, claim.other) if n)):
        if name not in rows:
            raise StudyError("a claim about an unknown model", got=name, fix=nearest(name, rows))
    against = [claim.other is not None, claim.value is not None].count(True)
    wrong = bool(claim.model) == bool(claim.order) or (claim.order and (against or len(claim.order) < 2))
    if wrong or (claim.model and (against != 1 or (claim.comparison == "within" and claim.value is None))):
        raise StudyError(
            "a claim that cannot be judged",
            got=claim.statement,
            wanted="model with comparison and other or value; or an order of two models or more",
        )
