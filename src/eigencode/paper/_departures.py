"""Which departures of the published code are behind a number of a study, and everything else that decides it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eigencode.base.errors import StudyError
from eigencode.study._catalogue import make, settings_of
from eigencode.study._checks import check_known
from eigencode.study._measurements import Planned, measurements
from eigencode.study.config import Deviation, Model, Study

PENALTIES = {"publishedspectral": ("D1", "D2"), "publishedjacobian": ("D3", "D4")}
"""What a published penalty departs in, unless it is told to fix it."""


@dataclass(frozen=True)
class Behind:
    """`ids`: departures that are on; `rest`: all other settings of the model and the measurement."""

    ids: frozenset[str]
    rest: dict[str, Any]


def departures(study: Study, model: str, quantity: str) -> Behind:
    """What is behind one number.

    The medians of critical sizes: "broken only" leaves out the images that never broke (D8); it and the plain one are
    of the images the model itself classifies correctly (D9); "all images" is neither.
    """
    of_model, model_ids = _model(study.models[model]) if model in study.models else ({"data": True}, frozenset[str]())
    of_measure, ids = _measure(study, quantity)
    return Behind(model_ids | ids, {"model": of_model, "measurement": of_measure})


def differences(one: dict[str, Any], other: dict[str, Any], where: str = "") -> Iterator[str]:
    """The dotted names of the settings that are not equal."""
    for key in dict.fromkeys((*one, *other)):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from differences(a, b, f"{where}{key}.")
        elif a != b:
            yield f"{where}{key}"


def _model(model: Model) -> tuple[dict[str, Any], frozenset[str]]:
    rest = model.model_dump()
    ids = set(rest.pop("published"))
    trained = rest["supervised"] or {"penalties": ()}
    penalties = [dict(p) for p in trained["penalties"]]
    for penalty in penalties:
        plain = penalty["name"].lower().replace("_", "").replace("-", "")
        if plain in PENALTIES:
            ids |= {*PENALTIES[plain]} - {*penalty.pop("fix", ())}
        if plain in ("spectral", "publishedspectral"):  # the same loss once nothing departs
            penalty.pop("batch_size", None)
            penalty |= {"name": "Spectral", "place": penalty.get("place", "latent")}
    return {**rest, "supervised": {**trained, "penalties": penalties}}, frozenset(ids)


def _measure(study: Study, quantity: str) -> tuple[dict[str, Any], frozenset[str]]:
    """Settings of the measurement behind a quantity, without its name, and its departures."""
    planned = next((p for p in measurements(study) if quantity in (*p.names, *p.raw)), None)
    if planned is None:
        return {"quantity": quantity}, frozenset()
    what, ids = quantity.removeprefix(planned.name).removeprefix(planned.measure.joint), set(planned.published)
    if planned.measure.kind == "critical":
        medians = {"": {"D9"}, "all images": set(), "broken only": {"D8", "D9"}}
        ids |= medians.get(what, {"D9"})
        what = "" if what in medians else what
    return _settings(planned, what), frozenset(ids)


def _settings(planned: Planned, what: str) -> dict[str, Any]:
    found = settings_of(planned.chosen, make("measures", planned.chosen))
    return {**{k: v for k, v in found.items() if k not in ("widths", "read")}, "at": planned.place, "reading": what}


def check(study: Study) -> None:
    """Every deviation of a study names two numbers that are measured and differ in this departure and in nothing else.

    Raises:
        StudyError: the first that does not.
    """
    for deviation in study.deviations:
        _check(study, deviation)


def _check(study: Study, deviation: Deviation) -> None:
    both = deviation.corrected, deviation.as_published
    check_known(study, "deviation", [m for m, _ in both], [q for _, q in both])
    off, on = (departures(study, *place) for place in both)
    others = [text for text in (*on.ids ^ off.ids, *differences(on.rest, off.rest)) if text != deviation.id]
    if others or deviation.id not in on.ids - off.ids:
        told = f"{deviation.id} is on in {'both' if deviation.id in on.ids else 'neither'}"
        raise StudyError(
            f"these two numbers do not show what {deviation.id} alone does",
            got=", ".join(sorted(others)) or told,
            wanted=f"the same model and measurement with and without {deviation.id}",
        )
