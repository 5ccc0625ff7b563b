"""Which departures of the published code are behind a number of a study, and everything else that decides it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eigencode.study.config import Model, Study
from eigencode.study.quantities import (
    ALL_IMAGES,
    BROKEN_ONLY,
    RAW_READINGS,
    READINGS,
    at_eps,
    critical_name,
    curve_name,
    landscape_name,
    of_width,
    reading,
    spectrum_name,
)

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
    for s in study.spectra:
        what = _read(spectrum_name(s), quantity, (*READINGS["spectrum"], *RAW_READINGS, *map(of_width, s.widths)))
        if what is not None:
            return _settings(s.model_dump(), what), frozenset(s.published)
    for c in study.critical:
        what = _read(critical_name(c), quantity, READINGS["critical"])
        if what is not None:
            ids = {*c.published, *({} if what == ALL_IMAGES else {"D9"}), *({"D8"} if what == BROKEN_ONLY else {})}
            return _settings(c.model_dump(), "" if what in (ALL_IMAGES, BROKEN_ONLY) else what), frozenset(ids)
    for v in study.curves:
        what = _read(curve_name(v), quantity, tuple(map(at_eps, v.at)))
        if what is not None:
            return _settings(v.model_dump(), what), frozenset(v.published)
    for m in study.landscapes:
        what = _read(landscape_name(m), quantity, READINGS["landscape"])
        if what is not None:
            return _settings(m.model_dump(), what), frozenset()
    return {"quantity": quantity}, frozenset()


def _read(name: str, quantity: str, readings: tuple[str, ...]) -> str | None:
    """What is read off the measurement `name` to get `quantity`: "" for its headline, None if it is another's."""
    found = {name: "", **{reading(name, what): what for what in readings}}
    return found.get(quantity)


def _settings(measure: dict[str, Any], what: str) -> dict[str, Any]:
    return {**{k: v for k, v in measure.items() if k not in ("name", "published", "widths", "at")}, "reading": what}
