"""Wrong types in a study file, in the words of TOML instead of those of Python."""

from collections.abc import Mapping
from typing import Any

NEEDED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "string": 'text, such as "KH"',
    "tuple": "a list, such as [0, 1]",
    "list": "a list, such as [0, 1]",
    "dict": 'a table, such as { name = "PGD" }',
    "model": 'a table, such as { name = "PGD" }',
    "dataclass": 'a table, such as { name = "PGD" }',
}
"""What a key takes, by the first part of the type of pydantic's error."""


def told(error: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
    """Translate an error of pydantic into a message, what is wanted, and a fix.

    >>> told({"type": "tuple_type", "msg": "Input should be a valid tuple", "input": "0,1"})
    ('wrong type', 'a list, such as [0, 1]', '[0, 1]')
    """
    kind, _, what = error["type"].partition("_")
    if kind not in NEEDED or what not in ("type", "parsing", "from_float", "attributes_type"):
        return error["msg"].removeprefix("Value error, "), None, None
    parts = [part.strip() for part in str(error["input"]).split(",")]
    as_list = kind in ("tuple", "list") and len(parts) > 1 and isinstance(error["input"], str)
    parts = [part.strip("[]") for part in parts]  # a bracket that is not closed
    return "wrong type", NEEDED[kind], f"[{', '.join(parts)}]" if as_list else None


def path_of(error: Mapping[str, Any]) -> str:
    """The keys that lead to the value, without the names that pydantic gives to the branches of a union.

    >>> path_of({"loc": ("models", "KH", "snapshots", "function-after[f(), str]")})
    'models.KH.snapshots'
    """
    return ".".join(str(part) for part in error["loc"] if "[" not in str(part))
