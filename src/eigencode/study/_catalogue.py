"""Find a rule, penalty, attack or measure by name: a class exported by its package, or `package.module:Name`."""

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from eigencode.base.errors import InputError, StudyError, nearest
from eigencode.study._choice import Choice
from eigencode.study._extensions import extensions
from eigencode.study._wrong_types import told


def find(package: str, name: str) -> type:
    """Return the plugin class called `name`; case, hyphens and underscores are ignored.

    Raises:
        StudyError: unknown name, or an object of an outside module that is not a plugin of this package.
    """
    if ":" in name:
        return _foreign(package, name)
    known = {_plain(n): c for n, c in plugins(package).items()}
    if _plain(name) not in known:
        names = list(plugins(package))
        wanted = f"{', '.join(names)}, or package.module:Name"
        raise StudyError(f"unknown name in {package}", got=name, wanted=wanted, fix=nearest(name, names))
    return known[_plain(name)]


def plugins(package: str) -> dict[str, type]:
    """Concrete subclasses of the abstract classes of a package, exported by it or by an extension.

    >>> list(plugins("rules"))
    ['Competitive', 'HardWTA', 'KrotovHopfield', 'KrotovHopfieldSequential', 'Oja', 'Sanger', 'SoftHebb']
    """
    added = (name for extension in extensions() for name in extension.plugins.get(package, ()))
    modules = [importlib.import_module(name) for name in (f"eigencode.{package}", *added)]
    classes = {n: c for m in modules for n, c in inspect.getmembers(m, inspect.isclass)}
    bases = _bases(package)
    return {
        n.removesuffix("Measure"): c for n, c in classes.items() if issubclass(c, bases) and not inspect.isabstract(c)
    }


def make(package: str, choice: Choice, *, where: str = "", **more: Any) -> Any:
    """Instantiate the plugin that a study names; `more` holds defaults, ignored where the class has no such setting.

    Args:
        package: rules, penalties, robustness or measures.
        where: key in the study, for error messages, which otherwise name the class.

    Raises:
        StudyError: unknown name or setting, a setting of the wrong type, or a missing one.
        InputError: a value the class refuses.
    """
    found = find(package, choice.name)
    valid, place = _settings(found), where or found.__name__
    for key in choice.settings():
        if key not in valid:
            what = f"unknown key {where}.{key}" if where else f"{found.__name__} has no setting {key}"
            raise StudyError(what, got=key, wanted=", ".join(valid), fix=nearest(key, valid))
    settings = {k: _converted(found, k, v, f"{place}.{k}") for k, v in choice.settings().items()}
    given = {**{k: v for k, v in more.items() if k in valid}, **settings}
    missing = [n for n, p in inspect.signature(found).parameters.items() if p.default is p.empty and n not in given]
    if missing:
        raise StudyError(f"{place} needs the setting {missing[0]}", wanted=f"{missing[0]} = ...")
    try:
        return found(**given)
    except InputError as error:
        raise StudyError(f"{where}: {error}") from None if where else error


def modules(package: str, choice: Choice) -> Iterator[str]:
    """The modules of a plugin and of the plugins in its settings; their code is part of the key of a step."""
    found = find(package, choice.name)
    yield found.__module__
    if ":" in choice.name:
        yield choice.name.partition(":")[0]  # which may make the class, or take it from elsewhere
    for key, value in choice.settings().items():
        inner = _package(_hints(found).get(key))
        if inner and isinstance(value, dict):
            yield from modules(inner, Choice(**value))


def settings_of(choice: Choice, made: Any) -> dict[str, Any]:
    """Name and all settings of a plugin, defaults included; plugins in its settings as the study has them."""
    name = choice.name if ":" in choice.name else type(made).__name__.removesuffix("Measure")
    given = {n: v for n, v in choice.settings().items() if isinstance(v, dict)}
    return {"name": name, **{n: getattr(made, n) for n in _settings(type(made))}, **given}


def decisive(choice: Choice, made: Any) -> dict[str, Any]:
    """The settings of a measure that affect its record, and so the key; `reading_only` ones are left out."""
    return {n: v for n, v in settings_of(choice, made).items() if n not in made.reading_only}


def _foreign(package: str, name: str) -> type:
    """Import a plugin class from an outside module."""
    from eigencode.models.factory import import_object

    found, bases = import_object(name), _bases(package)
    if not inspect.isclass(found) or not issubclass(found, bases) or inspect.isabstract(found):
        wanted = f"a class that fills in {' or '.join(b.__name__ for b in bases)} of eigencode.{package}"
        raise StudyError(f"{name} cannot be used here", got=found, wanted=wanted)
    return found


def _bases(package: str) -> tuple[type, ...]:
    classes = inspect.getmembers(importlib.import_module(f"eigencode.{package}"), inspect.isclass)
    return tuple(c for _, c in classes if inspect.isabstract(c))


def _converted(found: type, key: str, value: Any, place: str) -> Any:
    """Convert a TOML value to the type of the setting: a list to a tuple, a table with a `name` to that plugin."""
    hint = _hints(found).get(key, Any)
    inner = _package(hint)
    if inner is not None:
        if not isinstance(value, dict):
            raise StudyError(f"{place}: wanted a table", got=value, wanted=f'{key} = {{ name = "..." }}')
        if not isinstance(value.get("name"), str):
            raise StudyError(f"{place}.name: Field required", got=value, wanted=f'{key} = {{ name = "..." }}')
        made, kinds = make(inner, Choice(**value)), [t for t in (hint, *typing.get_args(hint)) if inspect.isclass(t)]
        if not isinstance(made, tuple(kinds)):
            raise StudyError(
                f"{place}: wrong kind of plugin", got=value["name"], wanted=" or ".join(k.__name__ for k in kinds)
            )
        return made
    try:
        adapter = _adapter(found, key)
    except PydanticSchemaGenerationError:  # a type without a schema, which TOML cannot express either
        return value
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([place, *(str(part) for part in first["loc"] if isinstance(part, int))])
        said, wanted, _ = told(first)
        raise StudyError(f"{place}: {said}", got=value, wanted=wanted) from None


@cache
def _adapter(found: type, key: str) -> Any:
    return TypeAdapter(_hints(found).get(key, Any), config=ConfigDict(allow_inf_nan=False))


@cache
def _hints(found: type) -> dict[str, Any]:
    source = found if dataclasses.is_dataclass(found) else found.__init__  # type: ignore[misc]
    return typing.get_type_hints(source, include_extras=True)


def _package(hint: Any) -> str | None:
    """The plugin package of a type hint: "robustness" for `Perturbation | MinimumNorm`; None for other types."""
    for part in (hint, *typing.get_args(hint)):
        if inspect.isclass(part) and inspect.isabstract(part) and part.__module__.startswith("eigencode."):
            return str(part.__module__.split(".")[1])
    return None


def _settings(cls: type) -> list[str]:
    if dataclasses.is_dataclass(cls):
        return [f.name for f in dataclasses.fields(cls) if f.init]
    return [p for p in inspect.signature(cls).parameters if p != "self"]


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
