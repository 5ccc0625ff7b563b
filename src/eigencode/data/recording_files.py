"""Read recorded responses from the files of other programs."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eigencode.base.border import admit
from eigencode.base.errors import DataError, InputError
from eigencode.data._choose import (
    NAMES,
    SPONTANEOUS,
    beside,
    columns_apart,
    group_of,
    labels_of,
    named,
    only,
    overlooked,
    several,
    twins,
    unit_columns,
)
from eigencode.data._presentations import HIGHEST, Blank, grouped, red, repeats_in
from eigencode.data._values import floats, numbers, order_of, spontaneous_of, words_in
from eigencode.data.recordings import Recording
from eigencode.formats import Stored, arrays_in, digest


def read_recording(
    path: str | Path,
    key: str | None = None,
    *,
    axes: str | None = None,
    labels: str | None = None,
    blank: Blank = None,
    groups: str | None = None,
) -> Recording:
    """Read recorded responses from a file, or a folder of suite2p; see docs/recording-files.md.

    Args:
        path: `.npy`, `.npz`, `.mat` (any version), `.nc`, `.nwb`, `.h5`, `.pt`, `.csv`, `.parquet`, or a folder.
        key: name of the array (`struct.field` in a struct), or of the group that holds it; by default `resp` with its
            `istim` (the layout of Stringer et al. 2019), else the only matrix, else the one called `responses` or
            `resp`.  Arrays `spontaneous` or `spont`, and `stimuli`, beside it are read as well.
        axes: meaning of the axes, a letter each: `"su"` stimuli x units (one repeat), `"rsu"` repeats first, `"sur"`
            repeats last, and so on.  By default the names of the axes in a netCDF file, else `"su"` or `"rsu"`.
        labels: name of the array with the stimulus of each row, where a row is a single presentation; by default one
            called `stimuli`, `stim_id`, `image` or the like, if it names a stimulus more than once.  Each presentation
            is a repeat of its stimulus, see `Recording.of`.
        blank: label of presentations without a stimulus, as in `Recording.of`; in the layout of Stringer et al. the
            highest number by default.
        groups: name of the array with the group of each row, the same for stimuli that belong together.

    Returns:
        A `Recording` with responses `repeats x stimuli x units` in the floating type of the file; integers become
        float32 if they fit exactly by type, else float64.

    Raises:
        InputError: another kind of file, no such array, or several candidates; axes whose names contradict.
        DataError: missing, empty, truncated or damaged file; text, complex or pickled arrays; wrong shapes.
    """
    admit(read_recording, locals())
    path = Path(path).expanduser()
    with arrays_in(path) as stored:
        return replace(_recording(path, stored, key, axes, labels, blank, groups), sha256=digest(path))


@dataclass(frozen=True)
class _Layout:
    """Responses in a file, repeats x stimuli x units or rows x units, and the labels of their stimuli or rows.

    presentations: True if each row is a single presentation, with the label of its stimulus in `words`.
    """

    name: str
    values: np.ndarray
    labels: str | None
    words: np.ndarray | None
    presentations: bool
    notes: tuple[str, ...]


def _recording(
    path: Path,
    stored: dict[str, Stored],
    key: str | None,
    axes: str | None,
    labels: str | None,
    blank: Blank,
    groups: str | None,
) -> Recording:
    """The recording in the arrays of a file."""
    stored = columns_apart(stored, labels, groups)
    group = group_of(path, stored, key) if labels is None else None
    if group is not None:
        layout, blank = _published(path, stored, group, axes, blank)
    else:
        layout = _matrix(path, stored, key, axes, labels, groups)
    name, values, words, notes = layout.name, layout.values, layout.words, layout.notes
    stimuli = () if words is None else tuple("" if word is None else word for word in words.tolist())
    if layout.presentations and words is not None:
        values, stimuli, more = repeats_in(f"{path}: {layout.labels}", values, words, blank)
        notes = (*notes, *more)
    if layout.values.ndim == 2 and group is None:
        taken = words if layout.presentations else None
        used = [n for one in (layout.labels, groups) if one is not None for n in several(one, stored)]
        notes = (*notes, *overlooked(stored, name, layout.values.shape, taken, *used))
    spontaneous = beside(stored, name, SPONTANEOUS)
    found = Recording(
        floats(values if values.ndim == 3 else values[None]),
        None if spontaneous is None else spontaneous_of(path, spontaneous, stored[spontaneous]),
        stimuli,
        name=path.name,
        array=name,
        notes=notes,
    )
    if groups is not None:
        marks = words_in(path, groups, stored, required=True)
        shown = words if layout.presentations else None
        found = replace(found, groups=grouped(f"{path}: {groups}", marks, shown, found.stimuli))
    marked = None if group is None else red(path, stored, values.shape[2])
    note = "" if marked is None else f"red cells (stat.redcell) left out: {int(marked.sum())}"
    return found if marked is None else found.keep(units=~marked, note=note)


def _published(
    path: Path, stored: dict[str, Stored], group: str, axes: str | None, blank: Blank
) -> tuple[_Layout, Blank]:
    """The layout of Stringer et al. (2019), and the blank: the highest number, if they count from 1."""
    name, labels = f"{group}resp", f"{group}istim"
    if axes is not None:
        fix = "leave out axes (--axes)"
        raise InputError(f"{path}: {name}: the axes of this layout are known", got=f"axes {axes!r}", fix=fix)
    values = numbers(path, name, stored[name])
    if values.ndim != 2:
        raise DataError(f"{path}: {name}: wrong shape", got=values.shape, wanted="presentations x units")
    words = words_in(path, labels, stored, required=True)
    if words.dtype.kind == "f":
        raise DataError(f"{path}: {labels} does not number the presentations", got="fractions", wanted="whole numbers")
    notes: tuple[str, ...] = ()
    if blank is None and words.dtype.kind in "iu":
        blank = HIGHEST if bool((words >= 1).all()) else None
        if blank is None and not bool((words < 0).any()):
            notes = ("numbers from 0: no blank is known (--blank N leaves one out)",)
    return _Layout(name, values, labels, words, True, notes), blank


def _matrix(
    path: Path, stored: dict[str, Stored], key: str | None, axes: str | None, labels: str | None, groups: str | None
) -> _Layout:
    """One array of responses, its labels and the order of its axes, as asked for or found."""
    inside = {n: array for n, array in stored.items() if key not in stored and n.startswith(f"{key}.")}
    name = only(path, inside or stored) if key is None or inside else named(path, stored, key)
    values = numbers(path, name, stored[name])
    said = labels or (None if key is not None and key.endswith("resp") else labels_of(path, stored, name, groups))
    words = None if said is None else words_in(path, said, stored, labels is not None)
    order, guessed = order_of(path, name, stored[name], axes, words)
    repeated = words is not None and (labels is not None or len(set(words.tolist())) < len(words))
    notes = (*unit_columns(name, stored[name], stored), *(twins(stored, name) if key is None else ()), *guessed)
    if repeated and labels is None and str(said).rpartition(".")[2] not in NAMES:
        notes = (*notes, f"{said} names the stimuli (--labels NAME takes another array)")
    values = values.transpose([order.index(letter) for letter in "rsu" if letter in order])
    return _Layout(name, values, said, words, repeated and values.ndim == 2, notes)
