"""The contents of this folder, as studies see them."""

from eigencode.paper.departures import check
from eigencode.paper.recipes import RECIPES
from eigencode.paper.variants import VARIANTS
from eigencode.study.extensions import Extension

PUBLISHED = ("eigencode.paper.published",)

EXTENSION = Extension(
    recipes=RECIPES,
    plugins={"penalties": PUBLISHED, "robustness": PUBLISHED, "measures": ("eigencode.paper.measures",)},
    variants=VARIANTS,
    check=check,
)
"""Recipes, plugins, variants and checks of the paper."""
