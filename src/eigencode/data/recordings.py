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

from eigencode.base.arrays import Array, tensor
from eigencode.base.axes import letters, plain
from eigencode.base.border import admit
from eigencode.base.errors import DataError, InputError, nearest
from eigencode.base.record import brief
from eigencode.data._checks import mask_of
from eigencode.data._presentations import HIGHEST, Blank, as_numpy, red, stimuli_of, two_halves, words_of
from eigencode.data._stored import Stored, arrays_in

RESPONSES = ("responses", "resp")
SPONTANEOUS = ("spontaneous", "spont")
NAMES = ("stimuli", "stimulus")
STIMULI = ("stimulus", "stim", "istim", "image", "picture", "photo", "movie")
"""Names, as `base.axes.plain` gives them, of what names the stimulus of each row."""


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
        object.__setattr__(self, "responses", _floats(tensor(self.responses, self.where, "rsu", empty=True)))
        if self.spontaneous is not None:
            activity = tensor(self.spontaneous, f"{self.name}: spontaneous", "su", empty=True)
            object.__setattr__(self, "spontaneous", _floats(activity))
        where, x = self.where, self.responses
        if x.ndim != 3 or min(x.shape[0], x.shape[2]) < 1 or x.shape[1] < 2:
            raise DataError(
                f"{where}: not enough to measure",
                got=" x ".join(map(str, x.shape)),
                wanted="repeats x stimuli x units, two stimuli or more",
                fix="x[None] for one repeat; Recording.of(x, labels) for one row per presentation"
                if x.ndim == 2 and len(x) > 1
                else None,
            )
        object.__setattr__(self, "stimuli", stimuli_of(self.stimuli, where) or tuple(range(x.shape[1])))
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

    @classmethod
    def of(
        cls,
        responses: Array,
        labels: Array,
        blank: Blank = None,
        spontaneous: Array | None = None,
        name: str = "recording",
    ) -> "Recording":
        """A recording of single presentations, one row each, in the order shown, with the label of its stimulus.

        The presentations of a stimulus are averaged into two repeats: the first half and the second half.

        Args:
            responses: `presentations x units`.
            labels: number or name of the stimulus of each presentation; stimuli may be shown unequally often.
            blank: label of presentations without a stimulus, which are left out; by default negative numbers, NaN and
                empty names; `"none"` keeps all.
            spontaneous: `frames x units`.

        Raises:
            DataError: the labels do not fit, or no stimulus was shown twice.

        >>> found = Recording.of([[1.0], [3.0], [2.0], [9.0], [5.0]], [0, 7, 0, -1, 7])
        >>> found.responses[:, :, 0].tolist(), found.stimuli
        ([[1.0, 3.0], [2.0, 5.0]], (0, 7))
        """
        admit(Recording.of, locals())
        x = _floats(tensor(responses, "responses", "su").detach().cpu())
        if x.ndim != 2:
            raise DataError(f"{name}: wrong shape", got=tuple(x.shape), wanted="presentations x units")
        halves, stimuli, notes = two_halves(f"{name}: labels", as_numpy(x), words_of(labels, name), blank)
        activity = None if spontaneous is None else _floats(tensor(spontaneous, "spontaneous", "su").detach().cpu())
        return cls(torch.from_numpy(halves), activity, stimuli, name, notes=notes)

    def keep(self, units: Tensor | None = None, stimuli: Tensor | None = None, note: str = "") -> "Recording":
        """Select units and stimuli by boolean masks, and add a note."""
        admit(Recording.keep, locals())
        stimuli = mask_of(stimuli, self.responses.shape[1], f"{self.where}: stimuli")
        units = mask_of(units, self.responses.shape[2], f"{self.where}: units")
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


def read_recording(
    path: str | Path, key: str | None = None, *, axes: str | None = None, labels: str | None = None, blank: Blank = None
) -> Recording:
    """Read recorded responses from a `.npy`, `.npz`, `.mat` (any version) or `.nc` file; see docs/recordings.md.

    Args:
        key: name of the array (`struct.field` in a struct); by default `resp` with its `istim` (the layout of
            Stringer et al. 2019), else the only matrix, else the one called `responses` or `resp`.  Arrays
            `spontaneous` or `spont`, and `stimuli`, beside it are read as well.
        axes: meaning of the axes, a letter each: `"su"` stimuli x units (one repeat), `"rsu"` repeats first, `"sur"`
            repeats last, and so on.  By default the names of the axes in a netCDF file, else `"su"` or `"rsu"`.
        labels: name of the array with the stimulus of each row, where a row is a single presentation; by default one
            called `stimuli`, `stim_id`, `image` or the like, if it names a stimulus more than once.  The presentations
            of a stimulus are averaged into two repeats, see `Recording.of`.
        blank: label of presentations without a stimulus, as in `Recording.of`; in the layout of Stringer et al. the
            highest number by default.

    Returns:
        A `Recording` with responses `repeats x stimuli x units` in the floating type of the file; integers become
        float32 if they fit exactly by type, else float64.

    Raises:
        InputError: another kind of file, no such array, or several candidates; axes whose names contradict.
        DataError: missing, empty, truncated or damaged file; text, complex or pickled arrays; wrong shapes.
    """
    admit(read_recording, locals())
    path = Path(path).expanduser()
    stored = arrays_in(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    group = _presentations(path, stored, key) if labels is None else None
    name = _named(path, stored, key) if key is not None and group is None else f"{group}resp"
    name = _only(path, stored) if key is None and group is None else name
    values = _array(path, name, stored[name])
    if group is not None and axes is not None:
        raise InputError(
            f"{path}: {name}: the axes of this layout are known", got=f"axes {axes!r}", fix="leave out axes (--axes)"
        )
    if group is not None and values.ndim != 2:
        raise DataError(f"{path}: {name}: wrong shape", got=values.shape, wanted="presentations x units")
    asked = f"{group}istim" if group is not None else labels
    said = asked or (None if key == name and name.endswith("resp") else _labels(stored, name))
    words = None if said is None else _stimuli(path, said, stored[_named(path, stored, said)], asked is not None)
    order, notes = ("su", ()) if group is not None else _order(path, name, stored[name], axes, words)
    values = np.transpose(values, [order.index(letter) for letter in "rsu" if letter in order])
    stimuli = () if words is None else tuple(words.tolist())
    if words is not None and values.ndim == 2 and (asked is not None or len(set(stimuli)) < len(words)):
        numbered = group is not None and words.dtype.kind in "iuf"
        if numbered and blank is None and not bool((words < 1).any()):
            blank = HIGHEST
        elif numbered and blank is None and not bool((words < 0).any()):
            notes = (*notes, "numbers from 0: no blank is known (--blank N leaves one out)")
        values, stimuli, more = two_halves(f"{path}: {said}", values, words, blank)
        notes = (*notes, *more)
    elif values.ndim == 2:
        notes = (*notes, *_overlooked(stored, name, len(values), said))
    spontaneous = _beside(stored, name, SPONTANEOUS)
    found = Recording(
        _tensor(values if values.ndim == 3 else values[None]),
        None if spontaneous is None else _spontaneous(path, spontaneous, stored[spontaneous]),
        stimuli,
        name=path.name,
        array=name,
        sha256=digest,
        notes=notes,
    )
    marked = None if group is None else red(path, stored, values.shape[2])
    note = "" if marked is None else f"red cells (stat.redcell) left out: {int(marked.sum())}"
    return found if marked is None else found.keep(units=~marked, note=note)


def _labels(stored: dict[str, Stored], name: str) -> str | None:
    """Name of the array beside `name` that names the stimulus of each row; None without one."""
    group = name.rpartition(".")[0]
    around = [n for n in stored if n != name and n.rpartition(".")[0] == group]
    exact = [n for n in around if n.rpartition(".")[2] in NAMES]
    fitting = [n for n in around if stored[n].vector and math.prod(stored[n].shape) in stored[name].shape]
    meant = [n for n in fitting if {plain(n.rpartition(".")[2]), plain(n).rpartition("_")[2]} & {*STIMULI}]
    return next(iter([*exact, *meant]), None)


def _overlooked(stored: dict[str, Stored], name: str, rows: int, said: str | None) -> tuple[str, ...]:
    """Notes on arrays that name something for each row, several rows alike: are these presentations?"""
    found = []
    for other, array in stored.items():
        fits = array.vector and math.prod(array.shape) == rows and array.kind not in ("object (pickled)", "cell")
        values = array.read().ravel() if fits and other not in (name, said) else np.zeros(0)
        whole = values.dtype.kind == "f" and bool((np.mod(values, 1) == 0).all())
        count = len(np.unique(values)) if whole or values.dtype.kind in "iuUS" else 0
        if 2 <= count <= rows // 2:
            found.append(
                f"{other} has {count} values for {rows} rows: if it names the stimulus of each row, --labels {other} "
                "(labels=) averages presentations into two repeats"
            )
    return tuple(found)


def _presentations(path: Path, stored: dict[str, Stored], key: str | None) -> str | None:
    """Prefix ("stim." or "") of the group with `resp` and `istim`; None if there is none or `key` names another."""
    groups = [n[: -len("resp")] for n in stored if n.split(".")[-1] == "resp" and f"{n[:-4]}istim" in stored]
    if key is not None:
        return f"{key}." if f"{key}." in groups else None
    if len(groups) > 1:
        names = [g.rstrip(".") for g in groups if g]
        fix = f"name one, e.g. key={names[0]!r} (--key {names[0]})"
        raise InputError(f"{path}: several recordings", got=", ".join(names), fix=fix)
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
    numeric = [
        n for n, a in stored.items() if a.numeric and n.split(".")[-1] not in (*SPONTANEOUS, "stimuli", "stimulus")
    ]
    matrices = [n for n in numeric if len(stored[n].shape) in (2, 3)]
    found = [n for n in matrices if min(stored[n].shape[-2:]) > 1]
    found = found or [n for n in matrices if math.prod(stored[n].shape) > 1]
    named = [n for n in found if n.split(".")[-1] in RESPONSES]
    found = named if len(found) > 1 and named else found
    if len(found) != 1:
        fix = f"name one of them, e.g. key={found[0]!r} (--key {found[0]})" if found else PLAIN
        if len(found) > 1 and len({stored[n].shape for n in found}) == 1 and len(stored[found[0]].shape) == 2:
            arrays = f"[read_recording({str(path)!r}, key).responses[0] for key in {found}]"
            fix += f"; if they are repeats, join them: np.save('both.npy', np.stack({arrays}))"
        raise InputError(
            f"{path}: {'several arrays could be the responses' if found else 'no array of responses'}",
            got=_listed(stored, found or list(stored)) or "no arrays",
            wanted="numbers, stimuli x units or repeats x stimuli x units",
            fix=fix,
        )
    return found[0]


PLAIN = "save plain real numbers, e.g. full(x) or real(x) in MATLAB, x.real or x.astype('float32') in numpy"


def _array(path: Path, name: str, stored: Stored) -> np.ndarray:
    """Read an array; raise `DataError` if it is empty or not of real numbers."""
    values = stored.read() if stored.numeric else None
    if values is None or values.dtype.kind not in "biuf":
        kind = stored.kind if values is None else values.dtype.name
        raise DataError(f"{path}: {name} does not hold real numbers", got=kind, wanted="real numbers", fix=PLAIN)
    if values.size == 0:
        raise DataError(f"{path}: {name} is empty", got=" x ".join(map(str, values.shape)))
    return values


def _order(
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
    if n == 3 and stored.shape[2] < min(stored.shape[:2]):
        raise InputError(
            f"{where} has its shortest axis last, where the units belong",
            got=str(stored),
            wanted="repeats x stimuli x units, or a word on what the axes are",
            fix="axes= (--axes): 'sur' for stimuli x units x repeats, 'usr' for units x stimuli x repeats, "
            "'rsu' for repeats x stimuli x units",
        )
    guessed = f"axes {', '.join(stored.axes)} read as {' x '.join(_USUAL[-n:])}: --axes gives another order"
    return usual, (guessed,) if stored.axes else ()


_USUAL = ("repeats", "stimuli", "units")


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
    named = letters(stored.axes, "su", f"{path}: {name}", "name its axes frame and unit") if stored.axes else None
    return _tensor(values.T if named == "us" else values)


def _stimuli(path: Path, name: str, stored: Stored, required: bool) -> np.ndarray:
    """The name of each stimulus: whole numbers, or text."""
    values = stored.read()
    if required and values.dtype.kind != "O":
        return values.ravel() if values.size == max(values.shape, default=0) else values
    if values.size != max(values.shape, default=0):
        raise DataError(f"{path}: {name} does not name the stimuli", got=str(stored), wanted="one for each stimulus")
    whole = values.dtype.kind in "biu" or (values.dtype.kind == "f" and bool((np.mod(values, 1) == 0).all()))
    if whole:
        return values.ravel().astype(np.int64)
    return np.array([_word(v) for v in values.ravel()])


def _word(value: object) -> str:
    """Name of a stimulus as text; MATLAB cells hold arrays of letters or of character codes."""
    if not isinstance(value, np.ndarray):
        return str(value)
    return "".join(chr(v) if value.dtype == np.uint16 else str(v) for v in value.ravel())


def _tensor(values: np.ndarray) -> Tensor:
    """Convert to float32 if the type fits into it, else to float64."""
    kind = min(np.result_type(values.dtype, np.float32), np.dtype(np.float64), key=lambda d: d.itemsize)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=kind.newbyteorder("=")))


def _floats(x: Tensor) -> Tensor:
    """Floats as they are, whole numbers as float64."""
    return x if x.is_floating_point() else x.double()


def _listed(stored: dict[str, Stored], names: list[str]) -> str:
    shown = [f"{n} ({stored[n]})" for n in names[:12]]
    return ", ".join([*shown, f"and {len(names) - 12} more"] if len(names) > 12 else shown)
