"""Checks shared by the readers of files and by recordings; their messages give the position in the file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eigencode.base.errors import DataError, InputError

Bytes = npt.NDArray[np.uint8]


def refuse_wrong_labels(path: Path, labels: Bytes, classes: Sequence[str], byte: Callable[[int], int]) -> None:
    """Raise `DataError` if a label is not a class number; `byte(i)` is the offset of label i."""
    wrong = np.flatnonzero(labels >= len(classes))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{path}: {_count(len(wrong), 'record')} with a label that is no class",
            got=f"label {int(labels[first])} in record {first} (byte {byte(first)})",
            wanted=f"0..{len(classes) - 1}",
            fix="the file is damaged or of another format: delete the file and fetch it again",
        )


def refuse_blank_images(path: Path, pixels: Bytes, byte: Callable[[int], int]) -> None:
    """Raise `DataError` if an image (a row of `pixels`) is all zero; `byte(i)` is the offset of image i."""
    blank = np.flatnonzero(~pixels.any(1))
    if len(blank):
        first = int(blank[0])
        raise DataError(
            f"{path}: {_count(len(blank), 'image')} zero everywhere",
            got=f"record {first} (byte {byte(first)})",
            wanted="at least one bright pixel in each image",
            fix="the file is damaged: delete it and fetch it again (a black image has no direction and no unit norm)",
        )


def mask_of(mask: Tensor | None, count: int, name: str) -> Tensor:
    """A boolean mask of this length; None is all of them."""
    if mask is not None and (mask.dtype != torch.bool or mask.shape != (count,)):
        wanted = f"a mask, ({count},) of torch.bool"
        raise InputError(f"{name} cannot be selected so", got=f"{tuple(mask.shape)} of {mask.dtype}", wanted=wanted)
    return torch.ones(count, dtype=torch.bool) if mask is None else mask


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
