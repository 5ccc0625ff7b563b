"""The keys of `[[relations]]` in a study file."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from eigencode.study._choice import Strict

BUILT_IN = {"local": "trained by a local rule", "warned": "one of its numbers has a warning"}
"""Predictors and controls that are no measurement: 1 for networks of which this is true, 0 for others."""

EffectName = Literal[
    "pooled", "within", "between", "between minus within", "partial R2", "R2", "prediction R2", "prediction gain"
]
"""The numbers of a relation, see `relations.analyse`."""

JOINT = ("R2", "prediction R2", "prediction gain")
"""Those of all predictors together; each of the others belongs to one predictor."""

FEWEST = 3
"""Groups, and networks beyond the number of columns, without which nothing is computed."""


def _quantity(given: Any) -> Any:
    return {"quantity": given} if isinstance(given, str) else given


class Variable(Strict):
    """A quantity of every network, as it is, as its logarithm, or as its distance from `origin`."""

    quantity: str
    transform: Literal["none", "log", "distance"] = "none"
    origin: float = 0.0

    @property
    def label(self) -> str:
        """Its name in figures and claims, such as "log Jacobian norm"."""
        if self.transform == "distance":
            return f"|{self.quantity} − {self.origin:g}|"
        return f"log {self.quantity}" if self.transform == "log" else self.quantity


Column = Annotated[Variable, BeforeValidator(_quantity)]


class Relation(Strict):
    """How an outcome depends on predictors at equal controls, over all networks of a study.

    `groups`: what belongs together.  "family" (the key of a model) or "model": the groups of the intervals, of the
    effects within and between groups and of prediction; "seed": an intercept of its own for every seed.
    """

    name: str
    statement: str = ""
    outcome: Column
    predictors: tuple[Column, ...] = Field(min_length=1)
    controls: tuple[Column, ...] = ()
    groups: tuple[Literal["family", "model", "seed"], ...] = ("family",)

    @model_validator(mode="after")
    def _one_grouping(self) -> "Relation":
        if ("family" in self.groups) == ("model" in self.groups):
            raise ValueError('groups: wanted "family" or "model", and "seed" if seeds differ')
        columns = [c.label for c in (self.outcome, *self.predictors, *self.controls)]
        if len(set(columns)) < len(columns):
            raise ValueError("the same column twice in a relation")
        return self

    def group_of(self, model: str, family: str) -> str:
        """The group of a model; a model without a family is a group by itself."""
        return model if "model" in self.groups else family or model

    @property
    def known(self) -> dict[str, int]:
        """The index of each predictor, by its label and by its quantity."""
        found = {p.quantity: i for i, p in reversed(list(enumerate(self.predictors)))}
        return {**found, **{p.label: i for i, p in enumerate(self.predictors)}}

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Outcome, predictors and controls."""
        return (self.outcome, *self.predictors, *self.controls)
