"""From a study to its steps: every cell of data × model × seed × measurement, with the labels results carry."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eigencode.base.errors import StudyError, nearest
from eigencode.study.catalogue import find
from eigencode.study.config import Choice, CriticalMeasure, CurveMeasure, Model, SpectrumMeasure, Study
from eigencode.study.step import Step
from eigencode.study.steps.data import Data, data
from eigencode.study.steps.measures import Critical, CurveOf, SpectrumOf, TestAccuracy
from eigencode.study.steps.networks import Initial, LocallyTrained, NetworkStep, Pruned, Trained

DATA_ITSELF = "data"
"""The row of the data's own spectrum in tables and figures."""


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

    yield cell("accuracy", "test accuracy", TestAccuracy(images, net))
    for s in study.spectra:
        step = SpectrumOf(images, net, seed, s.place, s.source, s.samples, model.norm_p)
        yield cell("spectrum", spectrum_name(s), step)
    for c in study.critical:
        settings = (c.space, c.images, c.eps_max, c.tolerance)
        yield cell("critical", critical_name(c), Critical(images, net, seed, c.attack.model_dump(), *settings))
    for v in study.curves:
        settings_ = (v.space, v.images, v.eps, v.points)
        yield cell("curve", curve_name(v), CurveOf(images, net, seed, v.attack.model_dump(), *settings_))


def spectrum_name(measure: SpectrumMeasure) -> str:
    """What tables call this exponent."""
    return measure.name or f"α {measure.source}"


def critical_name(measure: CriticalMeasure) -> str:
    """What tables call this median."""
    return measure.name or f"critical size, {measure.attack.name}"


def curve_name(measure: CurveMeasure) -> str:
    """What figures call this curve."""
    return measure.name or f"accuracy, {measure.attack.name}"


def _check(study: Study) -> None:
    """Names that only the plugin folders know, places that no network has, names used twice."""
    for label, model in study.models.items():
        if label == DATA_ITSELF:
            raise StudyError(f"a model may not be called {DATA_ITSELF!r}: that is the data's own row")
        if model.local is not None and model.kind != "krotov_hopfield":
            raise StudyError(f"models.{label}: local training needs kind = 'krotov_hopfield'", got=model.kind)
        if model.prune and model.local is None:
            raise StudyError(f"models.{label}: nothing to prune without local training")
        if model.local is not None:
            find("rules", model.local.rule)
        for penalty in model.supervised.penalties if model.supervised else ():
            find("penalties", Choice(name=penalty.name, **penalty.settings()))
    for attack in [c.attack for c in study.critical] + [v.attack for v in study.curves]:
        find("robustness", attack)
    for s in study.spectra:
        if s.place not in ("input", "encoder", "latent", "logits", "batch_norm"):
            fix = nearest(s.place, ["input", "encoder", "latent", "logits", "batch_norm"])
            raise StudyError("spectra.place is unknown", got=s.place, fix=fix)
    names = [spectrum_name(s) for s in study.spectra] + [critical_name(c) for c in study.critical]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise StudyError("two measurements have the same name", got=", ".join(sorted(twice)), fix="give each a `name`")
