"""Arrays of a file as responses, stimuli and spontaneous activity: types, axes and names are checked."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from eigencode.base.axes import letters
from eigencode.base.errors import DataError, InputError
from eigencode.data._choose import PLAIN, named, several
from eigencode.data._presentations import labelled
from eigencode.formats import Stored


def numbers(path: Path, name: str, stored: Stored) -> np.ndarray:
    """Read an array; raise `DataError` if it is empty or not of real numbers."""
    values = stored.read() if stored.numeric else None
    if values is None or values.dtype.kind not in "biuf":
        kind = stored.kind if values is None else values.dtype.name
        raise DataError(f"{path}: {name} does not hold real numbers", got=kind, wanted="real numbers", fix=PLAIN)
    if values.size == 0:
        raise DataError(f"{path}: {name} is empty", got=" x ".join(map(str, values.shape)))
    return values


def order_of(
    path: Path, name: str, stored: Stored, axes: str | None, words: np.ndarray | None
) -> tuple[str, tuple[str, ...]]:
    """Letters of the axes in their order, r (repeats), s (stimuli), u (units), and notes on what was guessed."""
    n, where = len(stored.shape), f"{path}: {name}"
    if n not in (2, 3):
        wanted = "stimuli x units, or repeats x stimuli x units"
        fix = "x[:, None], for the responses of one unit"
        fix = "x.mean(-1), if the last axis is time within a presentation" if n > 3 else fix
        raise DataError(f"{where} has {n} axes", got=str(stored), wanted=wanted, fix=fix)
    usual = "rsu" if n == 3 else "su"
    if axes is not None:
        if sorted(axes) != sorted(usual):
            wanted = "the letters r (repeats), s (stimuli), u (units)" if n == 3 else "'su' or 'us'"
            raise InputError(f"{where} has other axes", got=f"axes {axes!r} for {stored}", wanted=wanted)
        return axes, ()
    fix = f"axes='{usual}' (--axes {usual}) or another order; average over an axis that is none of these"
    found = letters(stored.axes, usual, where, fix) if stored.axes else None
    if found is not None:
        return found, ()
    if n == 2 and words is not None and len(words) == stored.shape[1] != stored.shape[0]:
        return "us", (f"read as units x stimuli: there are {len(words)} labels",)
    shortest, sizes = stored.shape.index(min(stored.shape)), " x ".join(map(str, stored.shape))
    if n == 3 and shortest > 0:
        place = "last, where the units belong" if shortest == 2 else "in the middle, where the stimuli belong"
        raise InputError(
            f"{where} has its shortest axis {place}",
            got=str(stored),
            wanted="repeats x stimuli x units, or a word on what the axes are",
            fix="axes= (--axes): 'sur' for stimuli x units x repeats, 'sru' for stimuli x repeats x units, 'usr' for "
            "units x stimuli x repeats, 'rsu' for repeats x stimuli x units",
        )
    called = f"axes {', '.join(stored.axes)}" if stored.axes else f"{sizes} numbers"
    guessed = f"{called} read as {' x '.join(_USUAL[-n:])}: --axes gives another order; average over an axis of time"
    return usual, (guessed,) if stored.axes or (n == 3 and stored.shape[0] > MANY) else ()


MANY = 20
"""More repeats than this are perhaps units or stimuli."""

_USUAL = ("repeats", "stimuli", "units")


def spontaneous_of(path: Path, name: str, stored: Stored) -> Tensor | None:
    if math.prod(stored.shape) == 0:  # MATLAB's []: none was recorded
        return None
    values = numbers(path, name, stored)
    if values.ndim != 2:
        raise DataError(f"{path}: {name} has {values.ndim} axes", got=str(stored), wanted="frames x units")
    named = letters(stored.axes, "su", f"{path}: {name}", "name its axes frame and unit") if stored.axes else None
    return floats(values.T if named == "us" else values)


def words_in(path: Path, names: str, stored: dict[str, Stored], required: bool) -> np.ndarray:
    """Read the label of each presentation or stimulus, a number or text; a missing label is masked.

    Of several arrays, with commas between their names, the labels are joined: what one of them misses is missing.
    """
    found = [_words(path, name, stored[named(path, stored, name)], required) for name in several(names, stored)]
    if len(found) == 1:
        return found[0]
    if len({one.shape for one in found}) > 1 or found[0].ndim != 1:
        shapes = ", ".join(str(one.shape) for one in found)
        raise DataError(f"{path}: {names} do not fit together", got=shapes, wanted="one label of each for each row")
    joined = [", ".join(map(str, row)) for row in zip(*(np.ma.getdata(one) for one in found), strict=True)]
    return np.ma.array(joined, mask=np.any([np.ma.getmaskarray(one) for one in found], axis=0))


def _words(path: Path, name: str, stored: Stored, required: bool) -> np.ndarray:
    values = stored.read()
    if values.size != max(values.shape, default=0):
        if required:
            return values
        raise DataError(f"{path}: {name} does not name the stimuli", got=str(stored), wanted="one for each stimulus")
    names, missing = labelled(f"{path}: {name}", values, values.size)
    return np.ma.array(names, mask=missing)


def floats(values: np.ndarray) -> Tensor:
    """Convert to float32 if the type fits into it, else to float64."""
    kind = min(np.result_type(values.dtype, np.float32), np.dtype(np.float64), key=lambda d: d.itemsize)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=kind.newbyteorder("=")))
