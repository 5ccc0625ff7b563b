"""Find the departures of the published code that affect a number of a study, and the other settings behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eigencode.base.errors import StudyError
from eigencode.study._catalogue import make, settings_of
from eigencode.study._checks import check_known
from eigencode.study._measurements import Planned, measurements
from eigencode.study.config import Deviation, Model, Study

PENALTIES = {"publishedspectral": ("D1", "D2"), "publishedjacobian": ("D3", "D4")}
"""Departures of the published penalties; their setting `fix` switches them off."""


@dataclass(frozen=True)
class Setup:
    """Settings that determine one number: `ids` are the active departures, `rest` all other settings."""

    ids: frozenset[str]
    rest: dict[str, Any]


def departures(study: Study, model: str, quantity: str) -> Setup:
    """Departures and other settings that determine `quantity` of `model`.

    For medians of critical sizes: "broken only" leaves out images that were never broken (D8); "broken only" and the
    plain median use the images this model classifies correctly (D9); "all images" has neither departure.
    """
    of_model, model_ids = _model(study.models[model]) if model in study.models else ({"data": True}, frozenset[str]())
    of_measure, ids = _measure(study, quantity)
    return Setup(model_ids | ids, {"model": of_model, "measurement": of_measure})


def differences(one: dict[str, Any], other: dict[str, Any], where: str = "") -> Iterator[str]:
    """Dotted names of the settings that differ between two nested dictionaries."""
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
        if plain in ("spectral", "publishedspectral"):  # with D1 and D2 off both are the same loss
            penalty.pop("batch_size", None)
            penalty |= {"name": "Spectral", "place": penalty.get("place", "latent")}
    return {**rest, "supervised": {**trained, "penalties": penalties}}, frozenset(ids)


def _measure(study: Study, quantity: str) -> tuple[dict[str, Any], frozenset[str]]:
    """Settings of the measurement that a quantity is read from, without its name, and its departures."""
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
    """Check that each `[[deviations]]` entry compares two measured numbers whose settings differ in its departure only.

    Raises:
        StudyError: for the first entry that does not.
    """
    for deviation in study.deviations:
        _check(study, deviation)


def _check(study: Study, deviation: Deviation) -> None:
    both = deviation.corrected, deviation.as_published
    check_known(study, "deviation", [m for m, _ in both], [q for _, q in both])
    off, on = (departures(study, *place) for place in both)
    others = [text for text in (*on.ids ^ off.ids, *differences(on.rest, off.rest)) if text != deviation.id]
    if others or deviation.id not in on.ids - off.ids:
        same = f"{deviation.id} is on in {'both' if deviation.id in on.ids else 'neither'}"
        raise StudyError(
            f"these two numbers do not show the effect of {deviation.id} alone",
            got=", ".join(sorted(others)) or same,
            wanted=f"the same model and measurement with and without {deviation.id}",
        )
