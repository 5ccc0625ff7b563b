"""File layout of Stringer et al. (2019): one row of responses per presentation, with its stimulus number.

The files are described, and taken apart, in github.com/MouseLand/stringer-pachitariu-et-al-2018b: README,
`processResp/compileResps.m`, `processResp/loadProc2800.m`, `processResp/compute_means.m`; see docs/recordings.md.
"""

import numpy as np

from eigencode.base.errors import DataError


def two_halves(where: str, resp: np.ndarray, istim: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Average single presentations, in the order shown, into two repeats of every stimulus.

    The highest number is the blank grey screen and is left out.  Of n presentations of a stimulus the mean of the
    first ⌊n/2⌋ is repeat 1 and that of the last ⌊n/2⌋ repeat 2 (the middle one of an odd number belongs to
    neither); stimuli shown once are left out.

    Args:
        where: file and struct, with its dot, for error messages.
        resp: responses `presentations x units`.
        istim: the stimulus of each presentation, whole numbers from 1; any shape with one axis longer than 1.

    Returns:
        Responses `2 x stimuli x units`, stimulus numbers in ascending order, and notes on omitted presentations.

    Raises:
        DataError: `istim` does not fit, or no stimulus was shown twice.

    >>> resp = np.array([[1.0], [3.0], [2.0], [9.0], [5.0]])
    >>> halves, stimuli, notes = two_halves("a.mat: stim.", resp, np.array([2, 1, 1, 3, 2]))
    >>> halves[:, :, 0].tolist(), stimuli.tolist(), notes
    ([[3.0, 1.0], [2.0, 5.0]], [1, 2], ('1 presentation of the blank (stimulus 3) left out',))
    """
    numbers = istim.ravel()
    fits = istim.size == max(istim.shape, default=0) == len(resp) and istim.dtype.kind in "biuf"
    if not fits or not (np.all(np.mod(numbers, 1) == 0) and numbers.min() >= 1):
        raise DataError(
            f"{where}istim does not number the presentations",
            got=f"shape {istim.shape}, {istim.dtype}",
            wanted=f"{len(resp)} whole numbers >= 1, one for each row of resp",
        )
    numbers = numbers.astype(np.int64)
    blank = int(numbers.max())
    order = np.argsort(numbers, kind="stable")  # by stimulus, and by time within a stimulus
    stimuli, starts, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    kept = (stimuli != blank) & (counts >= 2)
    once = int(((stimuli != blank) & (counts < 2)).sum())
    if not kept.any():
        raise DataError(f"{where}resp: no stimulus was shown twice", got=f"{len(stimuli)} stimuli, {blank} the blank")
    halves = np.empty((2, int(kept.sum()), resp.shape[1]), np.result_type(resp.dtype, np.float32))
    for row, (start, count) in enumerate(zip(starts[kept], counts[kept])):
        shown = order[start : start + count]
        halves[0, row] = resp[shown[: count // 2]].mean(0, dtype=np.float64)
        halves[1, row] = resp[shown[count - count // 2 :]].mean(0, dtype=np.float64)
    blanks = int(counts[-1])
    notes = [f"{blanks} presentation{'s' * (blanks != 1)} of the blank (stimulus {blank}) left out"]
    notes += [f"{once} stimul{'us' if once == 1 else 'i'} not shown twice left out"] if once else []
    return halves, stimuli[kept], tuple(notes)


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
