"""Find a rule, penalty or attack by its name: whatever a plugin folder exports can be named in a study."""

import dataclasses
import importlib
import inspect
from typing import Any

from eigencode.base.errors import StudyError, nearest
from eigencode.study.config import Choice


def find(package: str, choice: Choice) -> type:
    """The class a study means by `name`; capitals, hyphens and underscores do not matter.

    Raises:
        StudyError: no such name, or settings the class does not have.
    """
    module = importlib.import_module(f"eigencode.{package}")
    names = [
        n for n in module.__all__ if inspect.isclass(getattr(module, n)) and not inspect.isabstract(getattr(module, n))
    ]
    known = {_plain(n): n for n in names}
    if _plain(choice.name) not in known:
        raise StudyError(f"unknown name in {package}", got=choice.name, fix=nearest(choice.name, names))
    found: type = getattr(module, known[_plain(choice.name)])
    valid = _settings(found)
    for key in choice.settings():
        if key not in valid:
            raise StudyError(f"{found.__name__} has no setting {key}", got=key, fix=nearest(key, valid))
    return found


def make(package: str, choice: Choice, **more: Any) -> Any:
    """An instance of what the study names, with the study's settings."""
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in choice.settings().items()}
    return find(package, choice)(**{**more, **settings})


def module_of(package: str, choice: Choice) -> str:
    """The module that defines it: part of the code a step depends on."""
    return find(package, choice).__module__


def _settings(cls: type) -> list[str]:
    if dataclasses.is_dataclass(cls):
        return [f.name for f in dataclasses.fields(cls) if f.init]
    return [p for p in inspect.signature(cls).parameters if p != "self"]


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
