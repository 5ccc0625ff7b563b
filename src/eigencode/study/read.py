"""Read a study file: TOML, recipes and overrides; errors name the wrong key and the nearest valid one."""

import dataclasses
import inspect
import re
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from eigencode.base.border import admit
from eigencode.base.errors import StudyError, nearest
from eigencode.base.reading import reading
from eigencode.base.shipped import located, shipped
from eigencode.study._checks import check_moments
from eigencode.study._extensions import recipes
from eigencode.study._measurements import measurements
from eigencode.study._wrong_types import path_of, told
from eigencode.study.config import Study


def read_study(path: Path | str, overrides: Sequence[str] = ()) -> Study:
    """Read a study from a TOML file and apply `key.path=value` overrides.

    Args:
        path: the file, or the name of a study that comes with the package, such as "demo".
        overrides: texts of the form `key.path=value`.

    Raises:
        StudyError: no such file, not TOML, an unknown key, or a value out of range; names the key and a fix.

    >>> read_study("demo", ["seeds=[3]"]).seeds
    (3,)
    """
    admit(read_study, locals())
    path = located(Path(path))
    if not path.is_file():
        wanted = "a .toml file, or a name that `eigencode studies` lists"
        raise StudyError("no such study file", got=path, wanted=wanted, fix=nearest(path.stem, list(shipped())))
    return study({"name": path.stem, **loaded(path)}, overrides)


def loaded(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Load a study file, merged over the file that it `extends`."""
    try:
        raw = _parsed(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path.name} is not a TOML file", got=error) from None
    _check(raw)
    if (base := raw.pop("extends", None)) is None:
        return raw
    other = path.parent / str(base)
    what, wanted = f"{path.name} cannot extend this", f"another study file, relative to {path.parent}"
    with reading(what, of=(OSError, RuntimeError), wanted=wanted, error=StudyError):
        found = other.is_file() and other.resolve() not in above
    if not found:
        raise StudyError(what, got=base, wanted=wanted)
    below = loaded(other, (*above, path.resolve()))
    below.pop("name", None)
    return _merged(below, raw, arrays=True)


def study(raw: dict[str, Any], overrides: Sequence[str] = ()) -> Study:
    """Build a study from a dictionary, as read from TOML, after applying overrides."""
    for text in overrides:
        _override(raw, text)
    _check(raw)
    models = raw.get("models", {} if "calibration" in raw else None)
    if not isinstance(models, dict) or not (models or "calibration" in raw):
        raise StudyError("the study names no models", wanted="at least one [models.NAME] table")
    raw = {**raw, "models": {name: _expand(name, entry) for name, entry in models.items()}}
    try:
        found = Study.model_validate(raw)
    except ValidationError as error:
        raise _explain(error) from None
    measurements(found)
    check_moments(found)
    return found


def _expand(name: str, entry: Any) -> Any:
    """Fill a model entry with the settings of its `recipe`; settings given in the entry itself override them."""
    if not isinstance(entry, dict):
        raise StudyError(f"models.{name} is not a table", got=entry, wanted=f"[models.{name}]")
    entry = dict(entry)
    recipe = entry.pop("recipe", None)
    if recipe is None:
        return entry
    settings = _recipe(name, recipe)
    for one, other in (("ridge", "supervised"), ("supervised", "ridge")):
        if one in entry and other not in entry:  # another way to train the read-out than the one of the recipe
            settings = {k: v for k, v in settings.items() if k != other}
    return _merged(settings, entry)


def _recipe(model: str, name: Any) -> dict[str, Any]:
    """The settings of a recipe: one of an extension, or a dictionary given as `package.module:NAME`."""
    known = recipes()
    if isinstance(name, str) and ":" in name:
        from eigencode.models.factory import import_object  # here: imports torch, which `--help` does not need

        settings = import_object(name)
        if not isinstance(settings, dict):
            raise StudyError(
                f"models.{model}.recipe is not a dictionary", got=settings, wanted="a dictionary of model keys"
            )
        return settings
    if not isinstance(name, str) or name not in known:
        wanted, fix = f"{', '.join(known)}, or package.module:NAME", nearest(str(name), list(known))
        raise StudyError(f"models.{model}.recipe is unknown", got=name, wanted=wanted, fix=fix)
    return known[name]


def _merged(base: dict[str, Any], over: dict[str, Any], arrays: bool = False) -> dict[str, Any]:
    """Merge `over` into `base`: tables key by key, other values replaced; with `arrays`, arrays of tables too.

    An empty array clears that of `base`.
    """
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _merged(below, value, arrays)
        elif arrays and value and _of_tables(below) and _of_tables(value):
            value = _merged_arrays(below, value)
        result[key] = value
    return result


def _of_tables(value: Any) -> typing.TypeGuard[list[Any]]:
    """True for an array of tables."""
    return isinstance(value, list) and all(map(_named, value))


def _merged_arrays(base: list[Any], over: list[Any]) -> list[Any]:
    """Merge entries of `over` into those of `base` with the same name or statement, and append the others.

    Of several such entries, about different data, that with the same `data` is meant.
    """
    found, names = list(base), [_named(entry, i) for i, entry in enumerate(base)]
    for i, entry in enumerate(over, len(base)):
        same = [k for k, name in enumerate(names) if name == _named(entry, i)]
        if len(same) > 1:
            same = [k for k in same if found[k].get("data") == entry.get("data")]
        if same:
            found[same[0]] = _merged(found[same[0]], entry, arrays=True)
        else:
            found, names = [*found, entry], [*names, _named(entry, i)]
    return found


def _named(entry: Any, place: int = 0) -> Any:
    """Identifier of an entry in an array: its name or statement, else its index; False if it is not a table."""
    return isinstance(entry, dict) and (entry.get("name") or entry.get("statement") or f"entry {place}")


def _override(raw: dict[str, Any], text: str) -> None:
    """Apply one override `a.b=value`; the value is TOML, or plain text if it is not valid TOML."""
    assigned = re.match(r'((?:"[^"]*"|[^"=])*)=(.*)', text, re.DOTALL)
    path, value = assigned.groups() if assigned else ("", "")
    keys = _parts(path.strip())
    if not keys:
        raise StudyError("an override is not of the form key=value", got=text, fix="--set seeds=[0,1]")
    try:
        parsed = _parsed(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    models = raw.get("models")
    if keys[0] == "models" and len(keys) > 2 and isinstance(models, dict) and keys[1] not in models:
        raise StudyError(f"the study has no model {keys[1]}", got=text, fix=nearest(keys[1], list(models)))
    table: Any = raw
    for key in keys[:-1]:
        table = table[_index(table, key, text)] if isinstance(table, list) else table.setdefault(key, {})
        if not isinstance(table, dict | list):
            raise StudyError(f"an override goes through {key}, which has no keys of its own", got=text)
    if isinstance(table, list):
        table[_index(table, keys[-1], text)] = parsed
    else:
        table[keys[-1]] = parsed


def _parts(path: str) -> list[str]:
    """Split a dotted path into keys; quotes enclose a key with a dot, as in TOML.  Empty if the path is invalid."""
    key = r'(?:"[^"]+"|[^."]+)'
    if not re.fullmatch(rf"{key}(?:\.{key})*", path):
        return []
    return [part.strip('"') for part in re.findall(key, path)]


def _index(entries: list[Any], key: str, text: str) -> int:
    if not (key.isdecimal() and len(key) < 10 and int(key) < len(entries)):
        wanted = f"a number from 0 to {len(entries) - 1}" if entries else "an entry to override"
        raise StudyError("an override names no entry of a list", got=text, wanted=wanted)
    return int(key)


DEEPEST = 50
"""Levels of tables and lists in a study; every key it may have lies far above."""


DOTS = 5000
"""In a line of a study; the time in which a key is read grows as the square of its parts."""


def _too_deep() -> StudyError:
    return StudyError("the study is nested too deeply", wanted=f"at most {DEEPEST} levels")


def _parsed(text: str) -> dict[str, Any]:
    """Parse TOML; `TOMLDecodeError` for anything else, and for numbers with thousands of digits."""
    if max((line.count(".") for line in text.splitlines()), default=0) > DOTS:
        raise _too_deep()
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        raise tomllib.TOMLDecodeError(str(error)) from None


def _check(raw: Any) -> None:
    """Refuse tables in tables without end, and numbers that TOML does not have."""
    level, deep = [raw], 0
    while level:
        if any(isinstance(e, int) and abs(e) >= 2**63 for e in level):
            raise StudyError("a number of the study is too large", wanted="integers below 2**63")
        level = [v for e in level if isinstance(e, dict | list) for v in (e.values() if isinstance(e, dict) else e)]
        deep += 1
        if deep > DEEPEST:
            raise _too_deep()


UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""Pydantic's errors for a key that a model, or a dataclass, does not have."""


def _explain(error: ValidationError) -> StudyError:
    """Turn pydantic's error into one about the first unknown key and the nearest valid one, or the first error."""
    errors = error.errors()
    deepest = max((e for e in errors if path_of(e).startswith(path_of(errors[0]))), key=lambda e: len(e["loc"]))
    first = next((e for e in errors if e["type"] in UNKNOWN), deepest)
    where = path_of(first)
    if first["type"] in UNKNOWN:
        unknown = str(first["loc"][-1])
        valid = _keys(Study, first["loc"][:-1])
        valid += ["recipe"] if len(first["loc"]) == 3 and first["loc"][0] == "models" else []
        return StudyError(
            f"unknown key {where}", got=unknown, wanted=", ".join(sorted(valid)), fix=nearest(unknown, valid)
        )
    said, wanted, fix = told(first)
    fix = 'name = "a-short-name"' if where == "name" else fix and f"{where} = {fix}"
    return StudyError(f"{where}: {said}", got=first["input"], wanted=wanted, fix=fix)


def _keys(model: type, path: tuple[Any, ...]) -> list[str]:
    """The valid keys of the table at this path of the study."""
    parts = iter(path)
    for part in parts:
        fields = typing.get_type_hints(model)
        if isinstance(part, str) and part in fields:
            if typing.get_origin(fields[part]) is dict:
                next(parts, None)  # a label chosen by the user, which may equal the name of a key
            model = _model_in(fields[part]) or model
    return _fields(model)


def _fields(model: type) -> list[str]:
    """The keys of a pydantic model or a dataclass."""
    return list(model.model_fields if issubclass(model, BaseModel) else inspect.signature(model).parameters)


def _model_in(annotation: Any) -> type | None:
    """The model class inside an annotation such as `dict[str, Model]` or `Local | None`."""
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
