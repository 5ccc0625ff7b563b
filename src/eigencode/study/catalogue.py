"""Find a rule, penalty or attack by its name: whatever a plugin folder exports can be named in a study."""

import dataclasses
import importlib
import inspect
import typing
from typing import Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from eigencode.base.errors import StudyError, nearest
from eigencode.study.choice import Choice

QUARANTINE = {"penalties": ("study.recipes.published",)}
"""What only a study can name: kept apart from the package it belongs to because it is wrong on purpose."""


def find(package: str, choice: Choice) -> type:
    """The class a study means by `name`; capitals, hyphens and underscores do not matter.

    Raises:
        StudyError: no such name, or settings the class does not have.
    """
    known = {_plain(n): c for n, c in plugins(package).items()}
    if _plain(choice.name) not in known:
        names = list(plugins(package))
        raise StudyError(
            f"unknown name in {package}", got=choice.name, wanted=", ".join(names), fix=nearest(choice.name, names)
        )
    found = known[_plain(choice.name)]
    valid = _settings(found)
    for key in choice.settings():
        if key not in valid:
            raise StudyError(f"{found.__name__} has no setting {key}", got=key, fix=nearest(key, valid))
    return found


def plugins(package: str) -> dict[str, type]:
    """What a package offers a study: the classes it exports that fill in one of its abstract classes.

    >>> list(plugins("rules"))
    ['KrotovHopfield', 'KrotovHopfieldSequential']
    """
    modules = [importlib.import_module(f"eigencode.{name}") for name in (package, *QUARANTINE.get(package, ()))]
    classes = {n: c for m in modules for n in m.__all__ if inspect.isclass(c := getattr(m, n))}
    bases = tuple(c for c in classes.values() if inspect.isabstract(c))
    return {n: c for n, c in classes.items() if issubclass(c, bases) and not inspect.isabstract(c)}


def make(package: str, choice: Choice, **more: Any) -> Any:
    """An instance of what the study names, with the study's settings, and with those of `more` it knows.

    Raises:
        StudyError: a setting of the wrong type, or one that is missing.
        InputError: a value the class refuses.
    """
    found = find(package, choice)
    hints = typing.get_type_hints(found if dataclasses.is_dataclass(found) else found.__init__)  # type: ignore[misc]
    settings = {k: _converted(found, k, v, hints.get(k, Any)) for k, v in choice.settings().items()}
    given = {**{k: v for k, v in more.items() if k in _settings(found)}, **settings}
    missing = [n for n, p in inspect.signature(found).parameters.items() if p.default is p.empty and n not in given]
    if missing:
        raise StudyError(f"{found.__name__} needs the setting {missing[0]}", wanted=f"{missing[0]} = ...")
    return found(**given)


def _converted(found: type, key: str, value: Any, hint: Any) -> Any:
    """The value as the class wants it: a list of TOML as a tuple, say."""
    try:
        return TypeAdapter(hint).validate_python(value)
    except PydanticSchemaGenerationError:  # a type that TOML cannot write
        return value
    except ValidationError as error:
        raise StudyError(f"{found.__name__}.{key}: {error.errors()[0]['msg']}", got=value) from None


def module_of(package: str, choice: Choice) -> str:
    """The module that defines it: part of the code a step depends on."""
    return find(package, choice).__module__


def _settings(cls: type) -> list[str]:
    if dataclasses.is_dataclass(cls):
        return [f.name for f in dataclasses.fields(cls) if f.init]
    return [p for p in inspect.signature(cls).parameters if p != "self"]


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
