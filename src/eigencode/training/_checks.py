"""Checks of training settings, images and network outputs."""

from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Images


def require(what: str, *settings: tuple[bool, str, object, str]) -> None:
    """Raise `InputError` for the first setting (valid, name, value, wanted) that is not valid.

    >>> require("training", (True, "epochs", 3, ">= 1"), (False, "lr", -1.0, "> 0"))
    Traceback (most recent call last):
    ...
    eigencode.base.errors.InputError: training: lr is out of range
      got:    -1.0
      wanted: > 0
    """
    for valid, name, value, wanted in settings:
        if not valid:
            raise InputError(f"{what}: {name} is out of range", got=value, wanted=wanted)


def check_classes(train: Images, validation: Images | None, needs_validation: bool) -> None:
    """Raise if there is only one class, or if the validation set is missing or numbers its classes differently."""
    if int(train.y.min()) == int(train.y.max()):
        raise InputError("training needs at least two classes", got="a single class in the training images")
    if validation is None and needs_validation:
        raise InputError(
            "patience and keep='best' need a validation set",
            got="validation=None",
            fix="train, validation = images.split(0.1, seed=0)",
        )
    if validation is not None and any(a != b for a, b in zip(train.class_names, validation.class_names)):
        raise InputError(
            "training and validation images number their classes differently",
            got=f"{train.class_names} and {validation.class_names}",
            wanted="the same names in the same order",
        )


def check_logits(logits: Tensor, train: Images) -> None:
    """Raise if the output has not one logit per image and class."""
    if logits.ndim != 2 or logits.shape[1] < len(train.class_names):
        raise InputError(
            "the output of the network does not fit the classes",
            got=tuple(logits.shape),
            wanted=f"(images, >= {len(train.class_names)})",
            fix="build the network on this data set",
        )
