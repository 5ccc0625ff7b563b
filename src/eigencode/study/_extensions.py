"""Folders that plug into studies from above: recipes, plugins, variants and checks that this one knows nothing of.

An extension is named here and imported when a study is read, never by an import statement: so imports go down only,
and nothing is registered by a side effect.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

EXTENSIONS = ("eigencode.paper",)
"""Packages with an `EXTENSION`."""


@dataclass(frozen=True)
class Variant:
    """One way of making or measuring a network otherwise, switched on by `published = [ID]` in a study.

    Attributes:
        network: (step, is it the last one) -> the step instead; None if this variant concerns no network.
        measure: (choice of a measure, the measure itself) -> the choice instead; None if it concerns no measure.
            It raises `StudyError` for a measure that has no such variant.
        needs: a setting that a model of this variant must have switched on.
    """

    network: Callable[[Any, bool], Any] | None = None
    measure: Callable[[Any, Any], Any] | None = None
    needs: str = ""


@dataclass(frozen=True)
class Extension:
    """The contents of an extension.

    Attributes:
        recipes: models by name, see `recipe` in a study.
        plugins: package -> modules with further classes that a study may name there.
        variants: by their id in a study.
        check: called with the study before anything runs; raises `StudyError`.
    """

    recipes: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    plugins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    check: Callable[[Any], None] | None = None


@cache
def extensions() -> tuple[Extension, ...]:
    """All extensions."""
    return tuple(importlib.import_module(name).EXTENSION for name in EXTENSIONS)


def recipes() -> dict[str, dict[str, Any]]:
    """The recipes of all extensions."""
    return {name: recipe for extension in extensions() for name, recipe in extension.recipes.items()}


def variants() -> dict[str, Variant]:
    """The variants of all extensions."""
    return {name: variant for extension in extensions() for name, variant in extension.variants.items()}
