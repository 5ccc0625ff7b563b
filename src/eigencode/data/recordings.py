"""Recorded responses, and their reader for numpy, MATLAB and netCDF files."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import DataError, InputError, nearest
from eigencode.base.record import brief
from eigencode.data._stored import Stored, arrays_in
from eigencode.data._stringer import red_cells, two_halves

RESPONSES = ("responses", "resp")
SPONTANEOUS = ("spontaneous", "spont")
STIMULI = ("stimuli", "stimulus")
_AXES = {
    "r": ("repeat", "repeats", "repetition", "trial", "trials"),
    "s": ("stimulus", "stimuli", "image", "images", "presentation", "sample"),
    "u": ("unit", "units", "neuron", "neurons", "neuroid", "cell", "cells"),
}


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of recorded units to stimuli, shown once or several times.

    Args:
        responses: `repeats x stimuli x units`, in the units of the file; NaN is allowed until `finite` decides.
        spontaneous: activity without stimuli, `frames x units`, or None.
        stimuli: one name or number per stimulus; by default 0, 1, 2 ...
        name, array: the file and the array in it, for messages.
        notes: what was left out or done to the numbers, in order.

    Raises:
        DataError: wrong shapes, nothing but NaN, no unit that varies, fewer than two stimuli.

    >>> Recording(torch.arange(6.0).reshape(1, 3, 2)).stimuli
    (0, 1, 2)
    """

    responses: Float[Tensor, "repeats stimuli units"]
    spontaneous: Float[Tensor, "frames units"] | None = None
    stimuli: tuple[int | str, ...] = ()
    name: str = "recording"
    array: str = "responses"
    sha256: str = ""
    notes: tuple[str, ...] = ()

    __repr__ = brief

    def __post_init__(self) -> None:
        where, x = self.where, self.responses
        if x.ndim != 3 or min(x.shape[0], x.shape[2]) < 1 or x.shape[1] < 2:
            raise DataError(
                f"{where}: not enough to measure",
                got=" x ".join(map(str, x.shape)),
                wanted="repeats x stimuli x units, two stimuli or more",
            )
        if not self.stimuli:
            object.__setattr__(self, "stimuli", tuple(range(x.shape[1])))
        if len(self.stimuli) != x.shape[1] or len(set(self.stimuli)) != len(self.stimuli):
            got = f"{len(self.stimuli)}, {len(set(self.stimuli))} of them different"
            raise DataError(f"{where}: the stimuli do not fit", got=got, wanted=f"{x.shape[1]} different ones")
        spontaneous = self.spontaneous
        if spontaneous is not None and (spontaneous.ndim != 2 or spontaneous.shape[1] != x.shape[2]):
            raise DataError(
                f"{where}: the spontaneous activity does not fit",
                got=" x ".join(map(str, spontaneous.shape)),
                wanted=f"frames x {x.shape[2]} units",
            )
        if not bool(torch.isfinite(x).any()):
            raise DataError(f"{where}: every response is NaN or infinite", got=" x ".join(map(str, x.shape)))
        if bool(constant(x.flatten(0, 1)).all()):
            got = f"{x.shape[2]} constant units"
            raise DataError(f"{where}: no unit responds differently to any two stimuli", got=got)

    def keep(self, units: Tensor | None = None, stimuli: Tensor | None = None, note: str = "") -> "Recording":
        """Select units and stimuli by boolean masks, and add a note."""
        every = torch.ones(max(self.responses.shape), dtype=torch.bool)
        units = every[: self.responses.shape[2]] if units is None else units
        stimuli = every[: self.responses.shape[1]] if stimuli is None else stimuli
        return replace(
            self,
            responses=self.responses[:, stimuli][:, :, units],
            spontaneous=None if self.spontaneous is None else self.spontaneous[:, units],
            stimuli=tuple(name for name, kept in zip(self.stimuli, stimuli.tolist()) if kept),
            notes=(*self.notes, note) if note else self.notes,
        )

    @property
    def where(self) -> str:
        """File and array, for error messages."""
        return f"{self.name}: {self.array}"


def constant(rows: Float[Tensor, "rows units"]) -> Tensor:
    """Mask of the units whose finite values are all equal, or that have none.

    >>> constant(torch.tensor([[1.0, 2.0, torch.nan], [1.0, 3.0, torch.nan]])).tolist()
    [True, False, True]
    """
    finite = torch.isfinite(rows)
    low = torch.where(finite, rows, torch.inf).amin(0)
    return low >= torch.where(finite, rows, -torch.inf).amax(0)


def read_recording(path: str | Path, key: str | None = None, *, axes: str | None = None) -> Recording:
    """Read recorded responses from a `.npy`, `.npz`, `.mat` (any version) or `.nc` file; see docs/recordings.md.

    Args:
        key: name of the array (`struct.field` in a struct); by default `resp` with its `istim` (the layout of
            Stringer et al. 2019), else the only matrix, else the one called `responses` or `resp`.  Arrays
            `spontaneous` or `spont`, and `stimuli`, beside it are read as well.
        axes: meaning of the axes, a letter each: `"su"` stimuli x units (one repeat), `"rsu"` repeats first, `"sur"`
            repeats last, and so on.  By default the names of the axes in a netCDF file, else `"su"` or `"rsu"`.

    Returns:
        A `Recording` with responses `repeats x stimuli x units` in the floating type of the file; integers become
        float32 if they fit exactly by type, else float64.

    Raises:
        InputError: another kind of file, no such array, or several candidates.
        DataError: missing, empty, truncated or damaged file; text, complex or pickled arrays; wrong shapes.
    """
    path = Path(path).expanduser()
    stored = arrays_in(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    group = _presentations(path, stored, key)
    if group is not None:
        return _presented(path, stored, group, axes, digest)
    name = _named(path, stored, key) if key is not None else _only(path, stored)
    values = _array(path, name, stored[name])
    order = _order(path, name, stored[name], axes)
    values = np.transpose(values, [order.index(letter) for letter in "rsu" if letter in order])
    spontaneous, stimuli = (_beside(stored, name, names) for names in (SPONTANEOUS, STIMULI))
    return Recording(
        _tensor(values if values.ndim == 3 else values[None]),
        None if spontaneous is None else _spontaneous(path, spontaneous, stored[spontaneous]),
        () if stimuli is None or stimuli == name else _stimuli(path, stimuli, stored[stimuli]),
        name=path.name,
        array=name,
        sha256=digest,
    )


def _presented(path: Path, stored: dict[str, Stored], group: str, axes: str | None, digest: str) -> Recording:
    """Read single presentations with stimulus numbers, the layout of Stringer et al. (2019)."""
    where = f"{path}: {group}"
    if axes is not None:
        raise InputError(f"{where}resp: the axes of this layout are known", got=f"axes {axes!r}", fix="leave axes out")
    resp = _array(path, f"{group}resp", stored[f"{group}resp"])
    istim = stored[f"{group}istim"]
    if resp.ndim != 2:
        raise DataError(f"{where}resp: wrong shape", got=resp.shape, wanted="presentations x units")
    halves, stimuli, notes = two_halves(where, resp, istim.read())
    spontaneous = _beside(stored, f"{group}resp", SPONTANEOUS)
    spont = None if spontaneous is None else _spontaneous(path, spontaneous, stored[spontaneous])
    numbers = tuple(int(s) for s in stimuli)
    found = Recording(_tensor(halves), spont, numbers, path.name, f"{group}resp", digest, notes)
    red = _red(path, stored, resp.shape[1])
    return found if red is None else found.keep(units=~red, note=f"red cells (stat.redcell) left out: {int(red.sum())}")


def _presentations(path: Path, stored: dict[str, Stored], key: str | None) -> str | None:
    """Prefix ("stim." or "") of the group with `resp` and `istim`; None if there is none or `key` names another."""
    groups = [n[: -len("resp")] for n in stored if n.split(".")[-1] == "resp" and f"{n[:-4]}istim" in stored]
    if key is not None:
        return f"{key}." if f"{key}." in groups else None
    if len(groups) > 1:
        raise InputError(f"{path}: several recordings", got=", ".join(g.rstrip(".") for g in groups), fix="name a key")
    return groups[0] if groups else None


def _named(path: Path, stored: dict[str, Stored], key: str) -> str:
    if key not in stored:
        raise InputError(
            f"{path}: no array {key!r}", got=_listed(stored, list(stored)), fix=nearest(key, list(stored) or ["none"])
        )
    return key


def _only(path: Path, stored: dict[str, Stored]) -> str:
    """Name of the only array that can be the responses."""
    if len(stored) == 1:
        return next(iter(stored))
    numeric = [n for n, a in stored.items() if a.numeric and n.split(".")[-1] not in (*SPONTANEOUS, *STIMULI)]
    matrices = [n for n in numeric if len(stored[n].shape) in (2, 3)]
    found = [n for n in matrices if min(stored[n].shape[-2:]) > 1]
    found = found or [n for n in matrices if math.prod(stored[n].shape) > 1]
    named = [n for n in found if n.split(".")[-1] in RESPONSES]
    found = named if len(found) > 1 and named else found
    if len(found) != 1:
        raise InputError(
            f"{path}: {'several arrays could be the responses' if found else 'no array of responses'}",
            got=_listed(stored, found or list(stored)) or "no arrays",
            wanted="numbers, stimuli x units or repeats x stimuli x units",
            fix=f"name one of them, e.g. key={found[0]!r} (--key {found[0]})" if found else None,
        )
    return found[0]


def _array(path: Path, name: str, stored: Stored) -> np.ndarray:
    """Read an array; raise `DataError` if it is empty or not of real numbers."""
    values = stored.read() if stored.numeric else None
    if values is None or values.dtype.kind not in "biuf":
        kind = stored.kind if values is None else values.dtype.name
        fix = "save plain real numbers, e.g. full(x) or real(x) in MATLAB, x.astype('float32') in numpy"
        raise DataError(f"{path}: {name} does not hold real numbers", got=kind, wanted="real numbers", fix=fix)
    if values.size == 0:
        raise DataError(f"{path}: {name} is empty", got=" x ".join(map(str, values.shape)))
    return values


def _order(path: Path, name: str, stored: Stored, axes: str | None) -> str:
    """Letters of the axes in their order: r (repeats), s (stimuli), u (units)."""
    n = len(stored.shape)
    if n not in (2, 3):
        wanted = "stimuli x units, or repeats x stimuli x units"
        raise DataError(f"{path}: {name} has {n} axes", got=str(stored), wanted=wanted, fix="reshape it")
    if axes is not None:
        if sorted(axes) != sorted("rsu" if n == 3 else "su"):
            wanted = "the letters r (repeats), s (stimuli), u (units)" if n == 3 else "'su' or 'us'"
            raise InputError(f"{path}: {name} has other axes", got=f"axes {axes!r} for {stored}", wanted=wanted)
        return axes
    letters = [next((k for k, words in _AXES.items() if word.lower() in words), "?") for word in stored.axes]
    if sorted(letters) == sorted("rsu" if n == 3 else "su"):
        return "".join(letters)
    if n == 3 and stored.shape[2] < min(stored.shape[:2]):
        raise InputError(
            f"{path}: {name} has its shortest axis last, where the units belong",
            got=str(stored),
            wanted="repeats x stimuli x units, or a word on what the axes are",
            fix="axes='sur' (--axes sur) if the repeats come last, axes='rsu' if the last axis really is the units",
        )
    return "rsu" if n == 3 else "su"


def _beside(stored: dict[str, Stored], name: str, names: Sequence[str]) -> str | None:
    """Name of an array beside `name`, in the same struct, with one of these names; else None."""
    group = name.rpartition(".")[0]
    wanted = [f"{group}.{n}" if group else n for n in names]
    return next((n for n in wanted if n in stored), None)


def _spontaneous(path: Path, name: str, stored: Stored) -> Tensor | None:
    if math.prod(stored.shape) == 0:  # MATLAB's []: none was recorded
        return None
    values = _array(path, name, stored)
    if values.ndim != 2:
        raise DataError(f"{path}: {name} has {values.ndim} axes", got=str(stored), wanted="frames x units")
    return _tensor(values.T if stored.axes and stored.axes[0].lower() in _AXES["u"] else values)


def _stimuli(path: Path, name: str, stored: Stored) -> tuple[int | str, ...]:
    values = stored.read()
    if values.size != max(values.shape, default=0):
        raise DataError(f"{path}: {name} does not name the stimuli", got=str(stored), wanted="one for each stimulus")
    whole = values.dtype.kind in "biu" or (values.dtype.kind == "f" and bool((np.mod(values, 1) == 0).all()))
    return tuple(int(v) if whole else _word(v) for v in values.ravel())


def _word(value: object) -> str:
    """Name of a stimulus as text; MATLAB cells hold arrays of letters or of character codes."""
    if not isinstance(value, np.ndarray):
        return str(value)
    return "".join(chr(v) if value.dtype == np.uint16 else str(v) for v in value.ravel())


def _red(path: Path, stored: dict[str, Stored], units: int) -> Tensor | None:
    """Mask of the red cells marked in `stat`; None if the file has none."""
    if "stat.redcell" in stored:
        return torch.from_numpy(red_cells(f"{path}: stat.", stored["stat.redcell"].read(), units))
    if "stat" not in stored or stored["stat"].kind != "struct":
        return None
    stat = stored["stat"].read()
    if "redcell" not in (stat.dtype.names or ()):
        return None
    return torch.from_numpy(red_cells(f"{path}: stat.", stat["redcell"], units))


def _tensor(values: np.ndarray) -> Tensor:
    """Convert to float32 if the type fits into it, else to float64."""
    kind = min(np.result_type(values.dtype, np.float32), np.dtype(np.float64), key=lambda d: d.itemsize)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=kind.newbyteorder("=")))


def _listed(stored: dict[str, Stored], names: list[str]) -> str:
    shown = [f"{n} ({stored[n]})" for n in names[:12]]
    return ", ".join([*shown, f"and {len(names) - 12} more"] if len(names) > 12 else shown)
