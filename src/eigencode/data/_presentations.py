"""Single presentations, one row of responses each with the label of its stimulus, sorted into repeats.

The files of Stringer et al. (2019) have this layout.  They are described, and taken apart, in
github.com/MouseLand/stringer-pachitariu-et-al-2018b: README, `processResp/compileResps.m`,
`processResp/loadProc2800.m`, `processResp/compute_means.m`; see docs/recording-files.md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigencode.base.arrays import Array, array, tensor
from eigencode.base.errors import DataError, InputError
from eigencode.formats import Stored

HIGHEST, NONE = "highest", "none"
"""Blanks by rule: the highest number, as Stringer et al. number the grey screen; no blank at all."""

OFTEN = 4
"""A stimulus shown this many times as often as others may be a blank."""

GREY = ("grey", "gray", "blank", "none", "background")
"""Names that a blank may have; a stimulus of such a name is kept, with a note."""

Blank = int | str | None


def repeats_in(
    where: str, resp: np.ndarray, labels: np.ndarray, blank: Blank = None
) -> tuple[np.ndarray, tuple[int | str, ...], tuple[str, ...]]:
    """Sort single presentations, in the order shown, into repeats of every stimulus.

    The r-th presentation of a stimulus is in repeat r.  Stimuli may be shown unequally often: later repeats are NaN
    where a stimulus was shown less often.  There are as many repeats as the most frequent stimulus has presentations,
    but not more than stimuli, and not so many that more than half of the array would be NaN.  The presentations of a
    stimulus shown more often are averaged in runs of consecutive ones, so every presentation counts, and in one
    repeat only.

    Left out are blanks, presentations without a label or with NaN in all units, and stimuli shown once.

    Args:
        where: file and array of the labels, for error messages.
        resp: responses `presentations x units`.
        labels: the stimulus of each presentation, a number or text, in any shape with one axis longer than 1.  NaN,
            None and masked entries count as missing.
        blank: the label of presentations without a stimulus, `"highest"` or `"none"`.  None: the negative
            number, if there is one, and empty text.

    Returns:
        Responses `repeats x stimuli x units`, labels in ascending order, and notes on omitted presentations.

    Raises:
        DataError: the labels do not fit, or fewer than two stimuli were shown twice.
        InputError: no presentation has the label `blank`, or several numbers are negative.

    >>> resp = np.array([[1.0], [3.0], [2.0], [9.0], [5.0]])
    >>> found, stimuli, notes = repeats_in("a.mat: stim.istim", resp, np.array([2, 1, 1, 3, 2]), "highest")
    >>> found[:, :, 0].tolist(), stimuli, notes
    ([[3.0, 1.0], [2.0, 5.0]], (1, 2), ('1 presentation of the blank (stimulus 3) left out',))
    """
    shown, missing = labelled(where, labels, len(resp))
    blanks, said = _without_blanks(where, shown, missing, blank)
    lost = np.isnan(resp).all(1) & ~blanks if resp.dtype.kind == "f" else np.zeros_like(blanks)
    rows = np.flatnonzero(~blanks & ~lost)
    order = rows[np.argsort(shown[rows], kind="stable")]  # by stimulus, and then by time
    stimuli, starts, counts = np.unique(shown[order], return_index=True, return_counts=True)
    kept, once = counts >= 2, int((counts < 2).sum())
    if kept.sum() < 2:
        fix = "without repeats, save the responses alone, or in Python: Recording(x[None]); this measures noise as well"
        got = f"{int(kept.sum())} of {len(stimuli)} stimuli, {int(blanks.sum())} blanks"
        wanted = "two presentations or more"
        raise DataError(f"{where}: fewer than two stimuli were shown twice", got=got, wanted=wanted, fix=fix)
    counts = counts[kept]
    most = range(min(int(counts.max()), len(counts)), 2, -1)
    repeats = next((r for r in most if 2 * np.minimum(counts, r).sum() >= r * len(counts)), 2)
    found = np.full((repeats, len(counts), resp.shape[1]), np.nan, np.result_type(resp.dtype, np.float32))
    for row, (start, count) in enumerate(zip(starts[kept], counts, strict=True)):
        for repeat, run in enumerate(np.array_split(order[start : start + count], min(count, repeats))):
            found[repeat, row] = resp[run].mean(0, dtype=np.float64)
    notes = [f"{_presentations(int(blanks.sum()))} of the blank ({said}) left out"] if blanks.any() else []
    notes += [f"{_presentations(int(lost.sum()))} left out: NaN in all units"] if lost.any() else []
    notes += [f"{once} stimul{'us' if once == 1 else 'i'} not shown twice left out"] if once else []
    grey = [str(one) for one in stimuli[kept] if blank is None and str(one).lower() in GREY]
    notes += [f"{one!r} counts as a stimulus: --blank {one} (blank=) leaves it out" for one in grey]
    often = stimuli[kept][counts > OFTEN * np.median(counts)]
    if len(often) == 1 and blank is None and not grey:
        notes.append(
            f"stimulus {often[0]} was shown {counts.max()} times, others {np.median(counts):.0f}: if it is none, "
            f"--blank {often[0]} (blank=) leaves it out"
        )
    if len(counts) >= 8 and float((shown[rows][1:] == shown[rows][:-1]).mean()) > 0.5:
        notes.append("presentations of a stimulus follow one another: slow drift counts as signal")
    if counts.min() < counts.max():
        notes.append(f"stimuli shown {counts.min()} to {counts.max()} times: every presentation is used")
    if counts.max() > repeats:
        notes.append(f"stimuli shown more than {repeats} times: runs of presentations averaged into {repeats} repeats")
    return found, tuple(_named(stimuli[kept])), tuple(notes)


def _presentations(n: int) -> str:
    return f"{n} presentation{'s' * (n != 1)}"


def as_numpy(x: Tensor) -> np.ndarray:
    """Numbers of a tensor on any device; numpy has no bfloat16."""
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


def words_of(labels: Array, name: str) -> np.ndarray:
    """Labels of presentations, numbers or text, as an array.

    >>> words_of(["house", "tree"], "a").tolist(), words_of(torch.tensor([3, 1]), "a").tolist()
    (['house', 'tree'], [3, 1])
    """
    if isinstance(labels, Tensor):
        return as_numpy(tensor(labels, f"{name}: labels", empty=True))
    try:
        words = labels if isinstance(labels, np.ma.MaskedArray) else np.asarray(labels)
    except ValueError as error:
        wanted = "one for each row of responses"
        raise DataError(f"{name}: the labels are no array", got=error, wanted=wanted) from error
    return words


def stimuli_of(given: object, where: str) -> tuple[int | str, ...]:
    """Stimuli as a tuple; `DataError` unless they are numbers or names.

    >>> stimuli_of(np.array(["a", "b"]), "a"), stimuli_of([3, 1], "a")
    (('a', 'b'), (3, 1))
    """
    listed: Any = array(given, f"{where}: stimuli").tolist() if isinstance(given, Tensor) else given
    listed = listed.tolist() if isinstance(listed, np.ndarray) else listed
    good = isinstance(listed, Sequence) and not isinstance(listed, str | bytes)
    if not good or not all(isinstance(one, int | float | str | np.generic) for one in listed):
        got = f"{listed!r:.60}, a {type(given).__name__}"
        raise DataError(f"{where}: the stimuli are no names", got=got, wanted="a list of numbers or names")
    return tuple(listed)


def grouped(
    where: str, groups: np.ndarray, labels: np.ndarray | None, stimuli: tuple[int | str, ...]
) -> tuple[int | str, ...]:
    """The group of every stimulus, from one per presentation; or one per stimulus, where there are no `labels`.

    >>> grouped("a", np.array(["x", "y", "x"]), np.array([5, 3, 5]), (3, 5))
    ('y', 'x')
    """
    rows = len(stimuli) if labels is None else labels.size
    named, missing = labelled(where, groups, rows)
    of = list(stimuli) if labels is None else _named(labelled(where, labels, rows)[0])
    found: dict[int | str, set[int | str]] = {one: set() for one in stimuli}
    for one, group, gone in zip(of, _named(named), missing, strict=True):
        if one in found and not gone:
            found[one].add(group)
    wrong = [one for one, some in found.items() if len(some) != 1]
    if wrong:
        got = f"{len(found[wrong[0]])} groups of stimulus {wrong[0]}"
        raise DataError(
            f"{where}: a stimulus is not in one group", got=got, wanted="the same group in every row of a stimulus"
        )
    return tuple(some.pop() for some in found.values())


def _named(values: np.ndarray) -> list[int | str]:
    """Labels as numbers and text; fractions become text."""
    return [str(one) if isinstance(one, float) else one for one in values.tolist()]


def labelled(where: str, labels: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Convert labels to integers, floats or text, and find the presentations without a label (NaN, None, masked).

    >>> labelled("a", np.array([2.0, np.nan, -1.0]), 3)
    (array([ 2,  0, -1]), array([False,  True, False]))
    """
    flat, missing = np.ma.getdata(labels).ravel(), np.ma.getmaskarray(labels).ravel()
    if labels.size == max(labels.shape, default=0) == rows:
        if flat.dtype.kind == "O":
            missing = missing | np.array([one is None or (isinstance(one, float) and one != one) for one in flat])
            flat = np.array(["" if gone else _word(one) for one, gone in zip(flat, missing)])
        if flat.dtype.kind == "f":
            missing = missing | np.isnan(flat)
        numeric = flat.dtype.kind in "biuf" and not bool(missing.all())
        if numeric and bool(np.isfinite(flat[~missing]).all()):
            flat = np.where(missing, 0, flat)
            whole = bool((np.mod(flat, 1) == 0).all())
            if whole and float(np.abs(flat.astype(np.float64)).max()) < 2**63:
                return flat.astype(np.int64), missing
            return flat if flat.dtype.kind == "u" else flat.astype(np.float64), missing
        if flat.dtype.kind in "US":
            return np.char.strip(flat.astype(str)), missing
    raise DataError(
        f"{where} does not number the presentations",
        got=f"shape {labels.shape}, {labels.dtype}",
        wanted=f"{rows} numbers or names, one for each row of responses",
    )


def _word(value: object) -> str:
    """Name of a stimulus as text; MATLAB cells hold arrays of letters or of character codes."""
    if not isinstance(value, np.ndarray):
        return str(value)
    return "".join(chr(v) if value.dtype == np.uint16 else str(v) for v in value.ravel())


def _without_blanks(where: str, labels: np.ndarray, missing: np.ndarray, blank: Blank) -> tuple[np.ndarray, str]:
    """Mark the blank presentations, which include those without a label, and describe them in words."""
    text = labels.dtype.kind == "U"
    if blank == NONE:
        return missing, "no label"
    if blank is None:
        blanks = (labels == "") if text else labels < 0
        below = [] if text else np.unique(labels[blanks & ~missing]).tolist()
        if len(below) > 1:
            some = ", ".join(map(str, below[:4]))
            raise InputError(
                f"{where}: several negative numbers",
                got=some + ", …" * (len(below) > 4),
                wanted="one negative number, that of presentations without a stimulus",
                fix=f"blank='none' (--blank none), if all show a stimulus; blank={below[0]} (--blank={below[0]}), if "
                "it is the one without",
            )
        return missing | blanks, "no name" if text else "negative number or NaN"
    value = labels[~missing].max() if blank == HIGHEST else blank
    found = ~missing & (labels == value if text == isinstance(value, str) else labels.astype(str) == str(value))
    if not found.any():
        some = ", ".join(map(str, np.unique(labels[~missing])[:8]))
        raise InputError(
            f"{where}: no presentation of the blank",
            got=f"blank {blank!r}",
            wanted=f"one of {some} …",
            fix="blank='none' (--blank none), if all presentations show a stimulus",
        )
    return found | missing, f"stimulus {value}" + " or no label" * bool(missing.any())


def red_cells(where: str, redcell: np.ndarray, units: int) -> np.ndarray:
    """Mask of the units marked as red (GAD+ interneurons), from one small array per cell; an empty one means no.

    >>> red_cells("a.mat: stat.", np.array([np.ones((1, 1)), np.zeros((0, 0))], dtype=object), 2)
    array([ True, False])
    """
    marks = [np.asarray(mark) for mark in redcell.ravel()]
    if len(marks) != units or any(mark.size > 1 or mark.dtype.kind not in "biuf" for mark in marks):
        raise DataError(
            f"{where}redcell does not mark the units", got=f"{len(marks)} entries", wanted=f"{units} numbers 0 or 1"
        )
    return np.array([bool(mark.any()) for mark in marks])


def red(path: Path, stored: dict[str, Stored], units: int) -> Tensor | None:
    """Mask of the red cells marked in `stat`; None if the file has none."""
    if "stat.redcell" in stored:
        return torch.from_numpy(red_cells(f"{path}: stat.", stored["stat.redcell"].read(), units))
    if "stat" not in stored or stored["stat"].kind != "struct":
        return None
    marks = stored["stat"].read("redcell")
    return torch.from_numpy(red_cells(f"{path}: stat.", marks, units)) if marks.size else None
