"""Labels of images: whole numbers from 0, the names of their classes, and the numbers of their groups."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigencode.base.arrays import Array, is_array, tensor
from eigencode.base.errors import EigencodeWarning, InputError


def labels_of(given: Array, name: str) -> Tensor:
    """Labels as a tensor; text gets an error of its own."""
    some = list(given[:1]) if isinstance(given, list | tuple) else []
    some = np.asarray(given).ravel()[:1].tolist() if is_array(given) and not isinstance(given, Tensor) else some
    if some and isinstance(some[0], str):
        raise InputError(
            f"{name}: labels are text",
            got=repr(some[0]),
            wanted="integers, and the names as classes",
            fix="classes, y = np.unique(labels, return_inverse=True); Images(x, y, classes.tolist())",
        )
    return tensor(given, f"{name}: labels", empty=True)


MOST_CLASSES = 100_000
"""Classes that are named by their numbers; a larger label is no class number."""


RENUMBER = "classes, y = torch.unique(y, return_inverse=True); Images(x, y, [str(c) for c in classes.tolist()])"


def class_names(y: Tensor, classes: Sequence[str] | None, name: str) -> Sequence[str]:
    """The class names; `InputError` for labels that number no class."""
    low, high = int(y.min()), int(y.max())
    try:
        classes = None if classes is None else [str(one) for one in classes]
    except Exception as error:  # anything may be given, and be iterated over or not
        raise InputError(
            f"{name}: the classes are no names", got=type(classes).__name__, wanted="a list of names, one per class"
        ) from error
    if classes is not None and not 0 <= low <= high < len(classes):
        by_one = low == 1 and high == len(classes)
        raise InputError(
            f"{name}: labels are out of range",
            got=f"{low}..{high}",
            wanted=f"0..{len(classes) - 1} ({len(classes)} classes)",
            fix="y - 1: classes count from 0"
            if by_one
            else f"{high + 1} names, one for each class; or leave out classes"
            if 0 <= low < high < MOST_CLASSES
            else RENUMBER,
        )
    if classes is not None:
        return classes
    if low < 0 or high >= MOST_CLASSES:
        raise InputError(
            f"{name}: labels are out of range",
            got=f"{low}..{high}",
            wanted=f"class numbers 0..k-1, fewer than {MOST_CLASSES:,}",
            fix=RENUMBER,
        )
    if low == 1 and high > 1 and len(torch.unique(y)) == high:
        warnings.warn(
            f"{name}: labels 1..{high}: class 0 has no image.  If the classes are numbered from 1, pass y - 1",
            EigencodeWarning,
            stacklevel=4,
        )
    return [str(i) for i in range(high + 1)]


def relabelled(y: Tensor, shape: tuple[int, ...]) -> str:
    """How labels that do not fit would."""
    if y.ndim == 2 and len(y) == shape[0] and y.shape[1] > 1:
        return "y.argmax(1), if these are one-hot rows"
    if y.ndim == 2 and y.numel() == shape[0]:
        return "y.reshape(-1)"
    if y.ndim == 1 and len(y) == shape[3] != shape[0]:
        return "the images are the last axis: torch.as_tensor(x).permute(3, 2, 0, 1) for H W C N"
    if y.ndim == 1 and len(y) == shape[0] and y.is_floating_point() and not bool((y == y.round()).all()):
        if bool(y.isnan().any()):
            return (
                "drop images without one: y = torch.as_tensor(y); good = y.isfinite(); Images(x[good], y[good].long())"
            )
        return "classes, y = torch.unique(torch.as_tensor(y), return_inverse=True), if these are names of classes"
    if y.ndim == 1 and len(y) == shape[0]:
        return "torch.as_tensor(y).long(), if they are class numbers"
    return "pass one integer label per image"


def numbered(labels: Array, rows: int | None, name: str = "groups") -> Tensor:
    """Number the groups 0, 1, … in the order in which their labels first appear.

    Args:
        labels: one per row: numbers, text, dates, as an array of any library or a list.
        rows: how many there must be; None: any.

    Raises:
        InputError: another number of labels, or missing ones.

    >>> numbered(["film b", "film a", "film b"], 3)
    tensor([0, 1, 0])
    """
    import pandas as pd

    given: Any = (
        (labels.double() if labels.is_floating_point() else labels).cpu() if isinstance(labels, Tensor) else labels
    )
    kind = object if isinstance(given, list | tuple) and any(isinstance(one, str) for one in given) else None
    if not isinstance(given, pd.Series | pd.Index | pd.Categorical | np.ma.MaskedArray):
        given = np.asarray(given, dtype=kind)  # 1 and "1" are two labels
    shape = tuple(np.shape(given))
    if len(shape) != 1 or shape[0] == 0 or (rows is not None and shape[0] != rows):
        several = len(shape) == 1 and 0 < shape[0] < (rows or 0) and (rows or 0) % shape[0] == 0
        raise InputError(
            f"{name} do not fit the rows",
            got=f"shape {shape}" + f" for {rows} rows" * (rows is not None),
            wanted="one label per row" if rows is None else f"({rows},), one label per row",
            fix=f"np.repeat(groups, {(rows or 0) // shape[0]}), if the rows of a group follow one another"
            if several
            else None,
        )
    found, _ = pd.factorize(np.ma.getdata(given) if isinstance(given, np.ma.MaskedArray) else given)
    missing = (found < 0) | (np.ma.getmaskarray(given) if isinstance(given, np.ma.MaskedArray) else False)
    if missing.any():
        raise InputError(
            f"{name}: labels are missing",
            got=f"{int(missing.sum())} of {len(found)}",
            wanted="a label for every row",
            fix="drop these rows: good = [g is not None and g == g for g in groups]; x[good], np.asarray(groups)[good]"
            " (of repeats, x[:, good])",
        )
    return torch.from_numpy(np.ascontiguousarray(found, dtype=np.int64))
