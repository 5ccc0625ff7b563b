"""Something a study chooses by name, with settings of its own."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """No unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Choice(BaseModel):
    """Something chosen by name with settings of its own: a rule, a penalty, an attack.

    The settings are those of the class of that name; they are checked against it when the study is planned.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    def settings(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})
