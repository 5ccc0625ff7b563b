"""Read a study file: TOML, recipes, overrides, and errors that name the key and the nearest valid one."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from eigencode.base.errors import StudyError, nearest
from eigencode.study.config import Study
from eigencode.study.recipes.networks import RECIPES


def read_study(path: Path | str, overrides: Sequence[str] = ()) -> Study:
    """The study in a TOML file, after `key.path=value` overrides.

    Raises:
        StudyError: no such file, not TOML, an unknown key, or a value out of range; names the key and a fix.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError("no such study file", got=path, wanted="a .toml file", fix="see the studies folder")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path.name} is not a TOML file", got=error) from None
    raw.setdefault("name", path.stem)
    return study(raw, overrides)


def study(raw: dict[str, Any], overrides: Sequence[str] = ()) -> Study:
    """The study described by a dictionary (what a TOML file holds), after overrides."""
    for text in overrides:
        _override(raw, text)
    models = raw.get("models")
    if not isinstance(models, dict) or not models:
        raise StudyError("the study names no models", wanted="at least one [models.NAME] table")
    raw = {**raw, "models": {name: _expand(name, entry) for name, entry in models.items()}}
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        raise _explain(error) from None


def _expand(name: str, entry: Any) -> Any:
    """A model entry with its recipe filled in."""
    if not isinstance(entry, dict):
        raise StudyError(f"models.{name} is not a table", got=entry, wanted=f"[models.{name}]")
    entry = dict(entry)
    recipe = entry.pop("recipe", None)
    if recipe is None:
        return entry
    if recipe not in RECIPES:
        raise StudyError(
            f"models.{name}.recipe is unknown",
            got=recipe,
            wanted=", ".join(RECIPES),
            fix=nearest(str(recipe), [*RECIPES]),
        )
    return _merged(RECIPES[recipe], entry)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _override(raw: dict[str, Any], text: str) -> None:
    """Apply one `a.b=value`; the value is TOML, or plain text if it is not."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise StudyError("an override is not of the form key=value", got=text, fix="--set seeds=[0,1]")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    table: Any = raw
    keys = path.strip().split(".")
    for key in keys[:-1]:
        table = table[int(key)] if isinstance(table, list) and key.isdigit() else _table(table, key, text)
    if isinstance(table, list):
        table[int(keys[-1])] = parsed
    else:
        table[keys[-1]] = parsed


def _table(table: Any, key: str, text: str) -> Any:
    if not isinstance(table, dict):
        raise StudyError("an override goes through a key that has no keys of its own", got=text)
    return table.setdefault(key, {})


def _explain(error: ValidationError) -> StudyError:
    """The first error, with its key and, if the key is unknown, the nearest valid one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        unknown = str(first["loc"][-1])
        valid = _keys(Study, first["loc"][:-1])
        valid += ["recipe"] if len(first["loc"]) == 3 and first["loc"][0] == "models" else []
        return StudyError(
            f"unknown key {where}", got=unknown, wanted=", ".join(sorted(valid)), fix=nearest(unknown, valid)
        )
    return StudyError(f"{where}: {first['msg']}", got=first["input"])


def _keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """The valid keys at a place of the study."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            model = inner or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model class inside an annotation such as `dict[str, Model]` or `Local | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        if found := _model_in(part):
            return found
    return None
