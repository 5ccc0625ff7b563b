"""Registers recipes, penalties, attacks, measures, variants and checks of the paper with `study`."""

from eigencode.paper._departures import check
from eigencode.paper._recipes import RECIPES
from eigencode.paper._variants import VARIANTS
from eigencode.study._extensions import Extension

PUBLISHED = ("eigencode.paper.published",)

EXTENSION = Extension(
    recipes=RECIPES,
    plugins={"penalties": PUBLISHED, "robustness": PUBLISHED, "measures": ("eigencode.paper._measures",)},
    variants=VARIANTS,
    check=check,
)
"""Recipes, plugins, variants and checks of the paper."""
