"""Packages of higher levels that add recipes, plugins, variants and checks to studies.

An extension is named here and imported when a study is read, not by an import statement: so no module imports one of a
higher level, and importing a package registers nothing.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

EXTENSIONS = ("eigencode.paper",)
"""Packages that define an `EXTENSION`."""


@dataclass(frozen=True)
class Variant:
    """A different way of making or measuring a network, switched on by `published = [ID]` in a study.

    Attributes:
        network: (step, whether it is the last one) -> the step to use instead; None if no network is made differently.
        measure: (choice of a measure, its instance) -> the choice to use instead; None if no measure differs.
            It raises `StudyError` for a measure that has no such variant.
        needs: a setting that a model of this variant must have switched on.
    """

    network: Callable[[Any, bool], Any] | None = None
    measure: Callable[[Any, Any], Any] | None = None
    needs: str = ""


@dataclass(frozen=True)
class Extension:
    """Recipes, plugins, variants and checks that an extension adds to studies.

    Attributes:
        recipes: settings of models by name, for the key `recipe` in a study.
        plugins: package of plugins -> modules whose classes a study may name in addition.
        variants: by their id in a study.
        check: called with the study before anything runs; raises `StudyError`.
    """

    recipes: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    plugins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    check: Callable[[Any], None] | None = None


@cache
def extensions() -> tuple[Extension, ...]:
    """The extensions of all packages in `EXTENSIONS`."""
    return tuple(importlib.import_module(name).EXTENSION for name in EXTENSIONS)


def recipes() -> dict[str, dict[str, Any]]:
    """The recipes of all extensions."""
    return {name: recipe for extension in extensions() for name, recipe in extension.recipes.items()}


def variants() -> dict[str, Variant]:
    """The variants of all extensions."""
    return {name: variant for extension in extensions() for name, variant in extension.variants.items()}
