"""Settings of a training loop, checked before anything is computed."""

from eigencode.base.errors import InputError


def require(what: str, *settings: tuple[bool, str, object, str]) -> None:
    """Raise for the first (is it right, name, value, wanted) that is not right.

    >>> require("training", (True, "epochs", 3, ">= 1"), (False, "lr", -1.0, "> 0"))
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: training: lr is out of range
      got:    -1.0
      wanted: > 0
    """
    for right, name, value, wanted in settings:
        if not right:
            raise InputError(f"{what}: {name} is out of range", got=value, wanted=wanted)
