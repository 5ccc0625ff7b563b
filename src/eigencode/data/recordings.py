"""Responses of recorded units to stimuli."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.arrays import Array, tensor
from eigencode.base.border import admit
from eigencode.base.errors import DataError, InputError, nearest
from eigencode.base.record import brief
from eigencode.data._checks import mask_of
from eigencode.data._presentations import Blank, as_numpy, grouped, repeats_in, stimuli_of, words_of

BLOCK = 1 << 22
"""Numbers looked at together, so that a check of a recording takes little memory."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Responses of recorded units to stimuli, shown once or several times.

    Args:
        responses: `repeats x stimuli x units`, in the units of the file.  NaN in all units stands where a stimulus was
            shown less often; NaN in some is allowed until `finite` decides.
        spontaneous: activity without stimuli, `frames x units`, or None.
        stimuli: one name or number per stimulus; by default 0, 1, 2 ...
        name, array: the file and the array in it, for messages.
        notes: what was left out or done to the numbers, in order.
        groups: one label per stimulus, the same for stimuli that belong together (frames of one film); intervals are
            then over groups.  Empty if every stimulus is independent.

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
    groups: tuple[int | str, ...] = ()

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
        object.__setattr__(self, "groups", stimuli_of(self.groups, f"{where}: groups"))
        if self.groups and len(self.groups) != x.shape[1]:
            raise DataError(f"{where}: the groups do not fit", got=len(self.groups), wanted=f"{x.shape[1]} of them")
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
        groups: Array | None = None,
    ) -> "Recording":
        """A recording of single presentations, one row each, in the order shown, with the label of its stimulus.

        The r-th presentation of a stimulus is in repeat r, and NaN stands where a stimulus was shown less often.  Where
        few stimuli are shown far more often than the others, runs of their presentations are averaged.

        Args:
            responses: `presentations x units`.
            labels: number or name of the stimulus of each presentation; stimuli may be shown unequally often.
            blank: label of presentations without a stimulus, which are left out; by default a negative number, NaN
                and empty names; `"none"` keeps all.
            spontaneous: `frames x units`.
            groups: the group of the stimulus of each presentation, see `Recording`.

        Raises:
            DataError: the labels do not fit, or fewer than two stimuli were shown twice.

        >>> found = Recording.of([[1.0], [3.0], [2.0], [9.0], [5.0]], [0, 7, 0, -1, 7])
        >>> found.responses[:, :, 0].tolist(), found.stimuli
        ([[1.0, 3.0], [2.0, 5.0]], (0, 7))
        """
        admit(Recording.of, locals())
        x = _floats(tensor(responses, "responses", "su").detach().cpu())
        if x.ndim != 2:
            raise DataError(f"{name}: wrong shape", got=tuple(x.shape), wanted="presentations x units")
        words = words_of(labels, name)
        repeats, stimuli, notes = repeats_in(f"{name}: labels", as_numpy(x), words, blank)
        together = () if groups is None else grouped(f"{name}: groups", words_of(groups, name), words, stimuli)
        activity = None if spontaneous is None else _floats(tensor(spontaneous, "spontaneous", "su").detach().cpu())
        return cls(torch.from_numpy(repeats), activity, stimuli, name, notes=notes, groups=together)

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
            groups=tuple(group for group, kept in zip(self.groups, stimuli.tolist()) if kept),
            notes=(*self.notes, note) if note else self.notes,
        )

    def means(self, stimuli: Sequence[int | str] | None = None) -> Float[Tensor, "stimuli units"]:
        """Mean response to each stimulus over its repeats, in the order of `stimuli`; by default that of the recording.

        Two recordings are compared on the stimuli that both have, in the same order.

        Raises:
            InputError: a stimulus that is not in the recording.

        >>> x = torch.tensor([[[1.0], [3.0], [5.0]], [[3.0], [5.0], [torch.nan]]])
        >>> one = Recording(x, stimuli=("a", "b", "c"))
        >>> one.means(("c", "a")).tolist()
        [[5.0], [2.0]]
        """
        admit(Recording.means, locals())
        place = {name: i for i, name in enumerate(self.stimuli)}
        wanted = self.stimuli if stimuli is None else stimuli_of(stimuli, self.where)
        if missing := [name for name in wanted if name not in place]:
            some, known = ", ".join(map(repr, missing[:4])), [str(name) for name in self.stimuli]
            raise InputError(f"{self.where}: no such stimulus", got=some, fix=nearest(str(missing[0]), known))
        return self.responses[:, [place[name] for name in wanted]].nanmean(0)

    @property
    def where(self) -> str:
        """File and array, for error messages."""
        return f"{self.name}: {self.array}"


def no_more_repeats(recording: Recording) -> Recording:
    """Average runs of repeats where there are more than stimuli, so that there are as many; see `Recording.of`."""
    x = recording.responses
    if len(x) <= x.shape[1]:
        return recording
    present = ~torch.isnan(x).all(2)
    labels = torch.arange(x.shape[1]).expand(len(x), -1)[present]
    merged, _, notes = repeats_in(recording.where, as_numpy(x[present]), labels.numpy(), "none")
    return replace(recording, responses=torch.from_numpy(merged), notes=(*recording.notes, *notes))


def constant(rows: Float[Tensor, "rows units"]) -> Tensor:
    """Mask of the units whose finite values are all equal, or that have none.

    >>> constant(torch.tensor([[1.0, 2.0, torch.nan], [1.0, 3.0, torch.nan]])).tolist()
    [True, False, True]
    """
    low = torch.full(rows.shape[1:], torch.inf, dtype=rows.dtype)
    high = -low
    for part in torch.split(rows, max(1, BLOCK // max(1, rows.shape[1]))):
        finite = torch.isfinite(part)
        low = torch.minimum(low, torch.where(finite, part, torch.inf).amin(0))
        high = torch.maximum(high, torch.where(finite, part, -torch.inf).amax(0))
    return low >= high


def _floats(x: Tensor) -> Tensor:
    """Floats as they are, whole numbers as float64."""
    return x if x.is_floating_point() else x.double()
