"""The networks of a model at the snapshots of its training."""

from collections.abc import Iterator, Sequence
from typing import Any

from eigencode.base.errors import InputError, StudyError
from eigencode.models.local_network import local_layers
from eigencode.study._architecture import places, smallest
from eigencode.study._measurements import Planned
from eigencode.study.config import Model, TrainingLength
from eigencode.study.step import Step
from eigencode.study.steps.fitted import Fitted
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.network import NetworkStep, Training
from eigencode.study.steps.trained import Trained
from eigencode.training.moments import TOLERANCE, moments


def training(kind: type[Training], settings: dict[str, Any], length: TrainingLength, layers: int = 1) -> Training:
    """The step of a whole training; it and its snapshots each continue from the snapshot before.

    A snapshot at its end is the whole training itself.
    """
    whole, epochs = kind(**settings), length.epochs * layers
    stops: tuple[int, ...] = ()
    if length.snapshots:
        try:
            stops = moments(length.snapshots, whole.per_epoch * epochs, epochs)
        except InputError as error:
            raise StudyError(f"snapshots of a training ({whole.name}): {error}") from None
    earlier: Training | None = None
    for stop in stops:
        if stop < whole.per_epoch * epochs:
            earlier = kind(**settings, stop=stop, earlier=earlier)
    return kind(**settings, earlier=earlier)


def layers(model: Model) -> int:
    """Number of local trainings, one after the other: one for each local layer, or one for all of them."""
    return 1 if model.local is not None and model.local.joint else len(local_layers(smallest(model)))


def course(model: Model, planned: Planned, chain: Sequence[Step]) -> Iterator[tuple[float, int, NetworkStep]]:
    """(epoch, step, network) of the snapshots at which `planned` measures a model.

    They are those of the last stage of the training that has some, and its end; for a measure of the local layer, those
    of local training.  If the measure needs logits and only the read-out is trained after the stage, that is done on
    each snapshot alike; otherwise such a snapshot has no logits to measure.  A network that keeps its best weights does
    not have those of its end.

    Args:
        chain: the steps that make the finished network, last first.
    """
    stages = [s for s in chain if isinstance(s, Training) and s.earlier is not None]
    if planned.measure.stage != "last":
        stages = [s for s in stages if isinstance(s, LocallyTrained) and planned.measure.stage == "local"]
    for end in stages[:1]:
        of_logits = planned.measure.stage == "last" and isinstance(end, LocallyTrained) and _of_logits(planned, model)
        if of_logits and _trained(model) == "all":
            return
        for step, made in _moments(model, end):
            every = planned.when == "snapshots"
            if every or any(abs(epoch * made.per_epoch - step) <= TOLERANCE for epoch in planned.when):  # type: ignore[operator]
                yield step / made.per_epoch, step, _read_out(model, made) if of_logits else made


def _moments(model: Model, end: Training) -> list[tuple[int, Training]]:
    """(training step, network) of all snapshots of a stage, and of its end."""
    found: list[tuple[int, Training]] = []
    step = end.earlier
    while step is not None:
        assert step.stop is not None
        found.insert(0, (step.stop, step))
        step = step.earlier
    if isinstance(end, Trained):
        if end.supervised["patience"] is not None:
            raise StudyError(
                "a training with patience ends nobody knows when, and its snapshots are not measured",
                got=f"patience = {end.supervised['patience']}, and a measure with `when`",
                wanted='keep = "best" without patience',
            )
        if end.supervised["keep"] == "best":
            return found
        return [*found, (end.per_epoch * int(end.supervised["epochs"]), end)]
    assert isinstance(end, LocallyTrained)
    return [*found, (end.per_epoch * int(end.local["epochs"]) * layers(model), end)]


def _of_logits(planned: Planned, model: Model) -> bool:
    """True for a measure of what the training of the read-out changes."""
    known = places(model)
    trained = _trained(model)
    first = known.index(trained if trained in known else "logits")
    return not planned.place or known.index(planned.place) >= first


def _trained(model: Model) -> str:
    """The layers that are trained after the local ones; "all" without any, since no read-out is trained then."""
    if model.ridge is not None:
        return model.ridge.at
    return "all" if model.supervised is None else model.supervised.parameters


def _read_out(model: Model, start: Training) -> Trained | Fitted:
    """A snapshot with the read-out of the finished network, trained on it in the same way."""
    common = {"data": start.data, "seed": start.seed, "validation": start.validation}
    if model.ridge is not None:
        return Fitted(**common, start=start, ridge=model.ridge.model_dump())  # type: ignore[arg-type]
    assert model.supervised is not None
    return Trained(**common, start=start, supervised=model.supervised.settings())  # type: ignore[arg-type]
