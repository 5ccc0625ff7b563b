"""A plugin that a study chooses by name, with its settings."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Base of the tables of a study: unknown keys are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Choice(BaseModel):
    """Name and settings of a rule, penalty, attack or measure, as a study gives them.

    The settings are checked against the class of that name when the study is planned.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    def settings(self) -> dict[str, Any]:
        """All keys except the name."""
        return dict(self.model_extra or {})
