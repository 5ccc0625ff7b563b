"""Variants of models and measures that switch on departures of the published code, e.g. `published = ["D7"]`."""

from dataclasses import replace
from typing import Any

from eigencode.base.errors import StudyError
from eigencode.measures.curve import CurveMeasure
from eigencode.measures.protocol import Measure
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.measures.widths import WidthsMeasure
from eigencode.paper._measures import CriticalOnGridMeasure
from eigencode.paper._steps import EvaluatedInTraining, PrunedAlways
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.pgd import PGD
from eigencode.study._choice import Choice
from eigencode.study._extensions import Variant
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.network import NetworkStep
from eigencode.study.steps.pruned import Pruned


def _d5(step: NetworkStep, last: bool) -> NetworkStep:
    return EvaluatedInTraining(step.data, step.seed, step.validation, step) if last else step


def _d6(step: NetworkStep, last: bool) -> NetworkStep:
    return PrunedAlways(step.data, step.seed, step.validation, step.start) if type(step) is Pruned else step


def _d7(choice: Choice, made: Measure) -> Choice:
    attack = getattr(made, "attack", None)
    if not isinstance(attack, Gaussian):
        raise _no_variant("D7", choice, "Gaussian")
    return _attacked(choice, made, {"name": "PublishedGaussian", "clip": attack.clip})


def _d10(choice: Choice, made: Measure) -> Choice:
    attack = getattr(made, "attack", None)
    if not isinstance(attack, PGD) or attack != PGD(steps=attack.steps, loss="cross_entropy"):
        raise _no_variant("D10", choice, 'PGD with norm "linf", loss "cross_entropy" and no setting but steps')
    return _attacked(choice, made, {"name": "PublishedPGD", "steps": attack.steps})


def _d13(choice: Choice, made: Measure) -> Choice:
    if not isinstance(made, SpectrumMeasure):
        raise StudyError("D13 is about spectra", got=choice.name, wanted="spectrum")
    if isinstance(made, WidthsMeasure):  # stays in double precision, only without the rounding floor
        return Choice(name=choice.name, **{**choice.settings(), "rounding": True})
    kept = {
        name: value for name, value in choice.settings().items() if name not in ("rounding", "interval", "scale")
    }  # it has neither
    return Choice(name="SpectrumInSingle", **kept)


def _d17(step: NetworkStep, last: bool) -> NetworkStep:
    if not isinstance(step, Initial):
        return step
    return replace(step, architecture={**step.architecture, "batch_norm": False})


def _attacked(choice: Choice, made: Measure, attack: dict[str, Any]) -> Choice:
    """Replace the attack of a measure; the new attack is run at every eps of the grid on every image."""
    settings = {**choice.settings(), "attack": attack}
    if isinstance(made, CurveMeasure):
        return Choice(name=choice.name, **{**settings, "exhaustive": True})
    if not isinstance(made, CriticalOnGridMeasure):
        wanted = "grid = { eps = [1e-6, 8.25], points = 400 }, say"
        raise StudyError("a published critical size needs a grid of eps", got=choice.name, wanted=wanted)
    return Choice(name=choice.name, **settings)


def _no_variant(name: str, choice: Choice, wanted: str) -> StudyError:
    got = (choice.model_extra or {}).get("attack", choice.name)
    return StudyError(f"{name} is no departure of this attack", got=got, wanted=wanted)


VARIANTS: dict[str, Variant] = {
    **{name: Variant() for name in ("D1", "D2", "D3", "D4", "D8", "D9")},
    "D5": Variant(network=_d5),
    "D6": Variant(network=_d6, needs="prune"),
    "D7": Variant(measure=_d7),
    "D10": Variant(measure=_d10),
    "D13": Variant(measure=_d13),
    "D17": Variant(network=_d17, needs="batch_norm"),
}
"""Departures by id; those with an empty `Variant` are switched by the name of a penalty or by the number read."""
