"""Which of the arrays in a file are the responses, their stimuli and the spontaneous activity."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eigencode.base.axes import plain
from eigencode.base.errors import InputError, nearest
from eigencode.data._presentations import labelled
from eigencode.formats import Stored

RESPONSES = ("responses", "resp", "spks")
"""Names of responses; suite2p calls those that it deconvolves `spks`."""

SPONTANEOUS = ("spontaneous", "spont")
NAMES = ("stimuli", "stimulus")
STIMULI = ("stimulus", "stim", "istim", "image", "picture", "photo", "movie")
"""Names, as `base.axes.plain` gives them, of what names the stimulus of each row."""

ROWS = ("y", "label", "target", "trial", "class", "condition")
"""Names of what may describe the presentations, if there is one for each column."""

TABLE = 40
"""Most columns of a table of presentations beside the responses."""

PLAIN = (
    "save plain real numbers, e.g. full(x), real(x) or, of cells, cat(3, x{:}) in MATLAB (--axes names its axes), "
    "x.real or x.astype('float32') in numpy"
)


def group_of(path: Path, stored: dict[str, Stored], key: str | None) -> str | None:
    """Prefix ("stim." or "") of the group with `resp` and `istim`; None if there is none or `key` names another."""
    groups = [n[: -len("resp")] for n in stored if n.split(".")[-1] == "resp" and f"{n[:-4]}istim" in stored]
    if key is not None:
        return f"{key}." if f"{key}." in groups else None
    if len(groups) > 1:
        names = [g.rstrip(".") for g in groups if g]
        fix = f"name one, e.g. key={names[0]!r} (--key {names[0]})"
        raise InputError(f"{path}: several recordings", got=", ".join(names), fix=fix)
    return groups[0] if groups else None


def named(path: Path, stored: dict[str, Stored], key: str) -> str:
    if key not in stored:
        raise InputError(
            f"{path}: no array {key!r}", got=_listed(stored, list(stored)), fix=nearest(key, list(stored) or ["none"])
        )
    return key


def only(path: Path, stored: dict[str, Stored]) -> str:
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


def labels_of(path: Path, stored: dict[str, Stored], name: str, groups: str | None = None) -> str | None:
    """Name of the array beside `name`, but not `groups`, that names the stimulus of each row; None without one.

    Of several, those whose names have the most words in common with that of the responses (`mouse2_stimuli` beside
    `mouse2_responses`).  An array with the same value in all rows is not used.

    Raises:
        InputError: several tell different rows apart.
    """
    group, _, own = name.rpartition(".")
    around = [n for n in stored if n not in (name, groups) and n.rpartition(".")[0] == group]
    fitting = [n for n in around if stored[n].vector and math.prod(stored[n].shape) in stored[name].shape]
    meant = [n for n in fitting if n.rpartition(".")[2] in NAMES or _means_stimuli(n)]
    common = {n: len({*_parts(n.rpartition(".")[2])} & {*_parts(own)}) for n in meant}
    meant = [n for n in meant if common[n] == max(common.values())]
    if meant:
        kinds = {n: _kinds(path, n, stored[n]) for n in meant}
        meant = [n for n in meant if kinds[n].max() > 0]
        if len({kinds[n].tobytes() for n in meant}) > 1:
            counts = {n: int(kinds[n].max()) + 1 for n in meant}
            finest = max(meant, key=lambda n: (counts[n] < len(kinds[n]), counts[n]))
            raise InputError(
                f"{path}: several arrays could name the stimuli",
                got=", ".join(f"{n} ({count} values)" for n, count in counts.items()),
                wanted="one array, or several whose values together name a stimulus",
                fix=f"labels={finest!r} (--labels {finest})",
            )
    unfit = [n for n in around if n.rpartition(".")[2] in NAMES]
    return next(iter([*meant, *unfit]), None)


def _kinds(path: Path, name: str, array: Stored) -> np.ndarray:
    """The number of the label of every row, in the order in which they come first."""
    values = array.read()
    _, first, kinds = np.unique(
        labelled(f"{path}: {name}", values, values.size)[0], return_index=True, return_inverse=True
    )
    return first.argsort().argsort()[kinds.ravel()]


def _parts(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", name.lower())


def _means_stimuli(name: str) -> bool:
    return bool({plain(name.rpartition(".")[2]), plain(name).rpartition("_")[2]} & {*STIMULI})


def several(labels: str, stored: dict[str, Stored]) -> list[str]:
    """Names of the arrays that are asked for: one, or several with commas."""
    return [labels] if labels in stored else [name.strip() for name in labels.split(",")]


def columns_apart(stored: dict[str, Stored], *asked: str | None) -> dict[str, Stored]:
    """Take the columns that are asked for by name out of the units of a table."""
    table = stored.get("responses")
    wanted = [name for one in asked if one is not None for name in several(one, stored)]
    names = tuple(n for n in wanted if n not in stored and table is not None and n in table.columns)
    if table is None or not names:
        return stored
    return {**stored, "responses": table.without(names), **{name: table.column(name) for name in names}}


def unit_columns(name: str, array: Stored, stored: dict[str, Stored]) -> tuple[str, ...]:
    """Note which columns of a table are read as units, and which other numbers are not."""
    units = array.columns
    if not units:
        return ()
    others = [n for n, a in stored.items() if n != name and a.numeric and not _means_stimuli(n)]
    shown = ", ".join([*units[:3], *(["…"] if len(units) > 4 else []), *units[3:][-1:]])
    left = f"; not {', '.join([*others[:8], *(['…'] if len(others) > 8 else [])])}" if others else ""
    return (f"{name}: the {len(units)} columns {shown} are units{left} (--labels and --groups take columns out)",)


def twins(stored: dict[str, Stored], name: str) -> tuple[str, ...]:
    """Note other arrays of the same shape as the responses."""
    same = [n for n, a in stored.items() if n != name and a.numeric and a.shape == stored[name].shape]
    return (f"{name} taken; of the same shape: {', '.join(same)} (--key {same[0]} takes it)",) if same else ()


def overlooked(
    stored: dict[str, Stored], name: str, shape: tuple[int, ...], words: np.ndarray | None, *used: str
) -> tuple[str, ...]:
    """Notes on arrays that were not used but may name the stimuli of the rows.

    words: the labels that were used, if any; another array may divide a stimulus of theirs into several.
    """
    rows, found = shape[0], []
    for other, array in stored.items():
        if other in (name, *used):
            continue
        given, columns = math.prod(array.shape), array.shape[1] if len(array.shape) > 1 else 1
        if array.shape == shape or other.rpartition(".")[2] in SPONTANEOUS:
            continue
        if array.kind in ("struct", "compound") or 1 < columns <= TABLE:
            if array.shape[:1] == (rows,):
                found.append(f"{other} ({array}) not used: if it names the stimuli, save that column on its own")
            continue
        if not array.vector:
            continue
        if given != rows and words is None and _means_stimuli(other):
            found.append(f"{other} not used: {given} values for {rows} rows")
        if given == shape[1] != rows and _parts(other)[-1].rstrip("s") in ROWS:
            found.append(f"{other} has {given} values, one for each column: --axes us, if columns are presentations")
        fits = given == rows and array.kind not in ("object (pickled)", "cell")
        values = array.read().ravel() if fits else np.zeros(0)
        whole = values.dtype.kind == "f" and bool((np.mod(values[np.isfinite(values)], 1) == 0).all())
        count = len(np.unique(values)) if whole or values.dtype.kind in "iuUS" else 0
        if not 2 <= count <= rows // 2:
            continue
        if words is None:
            found.append(
                f"{other} has {count} values for {rows} rows: if it names the stimulus of each row, --labels {other} "
                "(labels=) sorts presentations into repeats"
            )
            continue
        labels = words.tolist()
        alone, both = len({*labels}), len({*zip(labels, values.tolist())})
        if alone < both <= rows // 2:
            found.append(
                f"{used[0]} and {other} together name {both} stimuli, {used[0]} alone {alone}: --labels "
                f"{used[0]},{other} (labels=) takes both"
            )
    return tuple(found)


def beside(stored: dict[str, Stored], name: str, names: Sequence[str]) -> str | None:
    """Name of an array beside `name`, in the same struct, with one of these names; else None."""
    group = name.rpartition(".")[0]
    wanted = [f"{group}.{n}" if group else n for n in names]
    return next((n for n in wanted if n in stored), None)


def _listed(stored: dict[str, Stored], names: list[str]) -> str:
    shown = [f"{n} ({stored[n]})" for n in names[:12]]
    return ", ".join([*shown, f"and {len(names) - 12} more"] if len(names) > 12 else shown)
