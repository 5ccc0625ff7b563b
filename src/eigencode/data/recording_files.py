"""Read recorded responses from the files of other programs."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from eigencode.base.border import admit
from eigencode.base.errors import DataError, InputError
from eigencode.data._choose import (
    SPONTANEOUS,
    beside,
    columns_apart,
    group_of,
    labels_of,
    named,
    only,
    overlooked,
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
        key: name of the array (`struct.field` in a struct); by default `resp` with its `istim` (the layout of
            Stringer et al. 2019), else the only matrix, else the one called `responses` or `resp`.  Arrays
            `spontaneous` or `spont`, and `stimuli`, beside it are read as well.
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
    name = named(path, stored, key) if key is not None and group is None else f"{group}resp"
    name = only(path, stored) if key is None and group is None else name
    values = numbers(path, name, stored[name])
    if group is not None and axes is not None:
        raise InputError(
            f"{path}: {name}: the axes of this layout are known", got=f"axes {axes!r}", fix="leave out axes (--axes)"
        )
    if group is not None and values.ndim != 2:
        raise DataError(f"{path}: {name}: wrong shape", got=values.shape, wanted="presentations x units")
    asked = f"{group}istim" if group is not None else labels
    said = asked or (None if key == name and name.endswith("resp") else labels_of(stored, name, groups))
    words = None if said is None else words_in(path, said, stored[named(path, stored, said)], asked is not None)
    if group is not None and words is not None and words.dtype.kind == "f":
        raise DataError(f"{path}: {said} does not number the presentations", got="fractions", wanted="whole numbers")
    order, guessed = ("su", ()) if group is not None else order_of(path, name, stored[name], axes, words)
    others = twins(stored, name) if key is None and group is None else ()
    notes = (*unit_columns(name, stored[name]), *others, *guessed)
    values = np.transpose(values, [order.index(letter) for letter in "rsu" if letter in order])
    stimuli = () if words is None else tuple("" if word is None else word for word in words.tolist())
    shown = None
    if words is not None and values.ndim == 2 and (asked is not None or len(set(stimuli)) < len(words)):
        numbered = group is not None and words.dtype.kind in "iuf"
        if numbered and blank is None and not bool((words < 1).any()):
            blank = HIGHEST
        elif numbered and blank is None and not bool((words < 0).any()):
            notes = (*notes, "numbers from 0: no blank is known (--blank N leaves one out)")
        shown = words
        values, stimuli, more = repeats_in(f"{path}: {said}", values, words, blank)
        notes = (*notes, *more)
    elif values.ndim == 2:
        notes = (*notes, *overlooked(stored, name, len(values), said, groups))
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
        marks = words_in(path, groups, stored[named(path, stored, groups)], required=True)
        found = replace(found, groups=grouped(f"{path}: {groups}", marks, shown, found.stimuli))
    marked = None if group is None else red(path, stored, values.shape[2])
    note = "" if marked is None else f"red cells (stat.redcell) left out: {int(marked.sum())}"
    return found if marked is None else found.keep(units=~marked, note=note)
