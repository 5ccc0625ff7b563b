"""Named axes: find the repeats, stimuli and units, or the channels, rows and columns, among the names people use."""

import re
from collections.abc import Sequence

from eigencode.base.errors import InputError

WORDS = {
    "r": "repeat repetition rep replicate trial run session block epoch",
    "s": "stimulus stim image img picture photo presentation sample observation obs example item condition row frame "
    "time timepoint timestep t bin event batch n",
    "u": "unit neuron neuroid cell channel electrode site contact voxel vertex roi region feature column component dim",
    "n": "n image img picture photo sample observation obs example item batch stimulus stim presentation frame",
    "c": "c channel band color colour rgb wavelength",
    "h": "h height y row line lat latitude",
    "w": "w width x column col lon longitude",
}
"""Accepted names of each axis, in lower case and singular: (r)epeats, (s)timuli and (u)nits of responses; images (n),
(c)hannels, (h)eight and (w)idth of images."""

ADDED = ("num", "number", "id", "idx", "index", "name", "label")
"""Words that people add to the name of an axis."""

PLURALS = {"stimuli": "stimulus", "vertices": "vertex", "indices": "index", "batches": "batch", "replicas": "replicate"}


def plain(name: str) -> str:
    """A name of an axis or an array without what people add to it: `n_Neurons` and `neuron_id` are `neuron`.

    >>> plain("n_Neurons"), plain("stim_id"), plain("stimuli"), plain("neuronIdx"), plain("unit0")
    ('neuron', 'stim', 'stimulus', 'neuron', 'unit')
    """
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()
    parts = [PLURALS.get(p, p) for p in re.split(r"[^a-z]+", word) if p]
    parts = [p[:-1] if len(p) > 2 and p.endswith("s") and p not in ("stimulus", "obs") else p for p in parts]
    parts = parts[1:] if len(parts) > 1 and parts[0] == "n" else parts
    return "_".join([p for p in parts if p not in ADDED] or parts)


def letters(names: Sequence[str], wanted: str, where: str, fix: str) -> str | None:
    """The letter of each axis, in the order of `names`: a permutation of `wanted`; None if no name is known.

    A single unknown name, such as `stage` beside `neuron`, gets the letter that is left.

    Args:
        names: of the axes, as many as letters.
        wanted: letters of `WORDS`.  Without an axis for repeats, a repeat (`trial`) is a sample.
        where, fix: for the error message.

    Raises:
        InputError: two axes with one meaning, or several unknown ones.

    >>> letters(("neuron", "time"), "su", "", ""), letters(("stage", "neuron"), "su", "", "")
    ('us', 'su')
    """
    found = [_letter(name, wanted) for name in names]
    known = [k for k in found if k]
    if not known:
        return None
    left = [k for k in wanted if k not in known]
    if len(set(known)) == len(known) and len(left) <= 1 and len(names) == len(wanted):
        return "".join(k or left[0] for k in found)
    raise InputError(
        f"{where}: the names of the axes do not say what they are",
        got=", ".join(names),
        wanted=", ".join(f"one {WORDS[k].split()[0]}" for k in wanted) if wanted != "nchw" else "n, c, h, w",
        fix=fix,
    )


def _letter(name: str, wanted: str) -> str:
    word = plain(name)
    for candidate in (word, word.rsplit("_", 1)[-1], word.split("_", 1)[0]):
        for letter in wanted:
            if candidate in WORDS[letter].split():
                return letter
        if "s" in wanted and "r" not in wanted and candidate in WORDS["r"].split():
            return "s"
    return ""
