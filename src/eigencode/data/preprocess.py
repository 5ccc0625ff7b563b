"""Preprocessing of recorded responses: each step is a function from one recording to another."""

from dataclasses import replace

import torch
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import DataError, InputError
from eigencode.base.symmetric import gram
from eigencode.data.recordings import Recording, constant

NAN, CONSTANT = ("error", "drop units", "drop stimuli"), ("error", "drop units")
"""Policies for NaN and for constant units."""


def finite(recording: Recording, policy: str = "error", spontaneous: bool = True) -> Recording:
    """Remove NaN and infinite values from a recording.

    With two repeats or more, NaN in all units stands for a presentation that was not recorded.  It stays, and only
    stimuli with fewer than two presentations are left out, whatever the policy.

    Args:
        policy: for all other such values.  `"error"`; `"drop units"`: units with any, in responses or spontaneous
            activity, are left out; `"drop stimuli"`: presentations with one in any unit, and frames of spontaneous
            activity.  A stimulus with one repeat is left out with its presentation.
        spontaneous: look at the spontaneous activity too.

    Returns:
        The recording, with a note that counts what was left out, if anything was.

    Raises:
        InputError: unknown policy.
        DataError: NaN with `"error"`, or not enough is left.

    >>> x = torch.tensor([[[1.0, 2.0], [torch.nan, 3.0], [0.0, 5.0]]])
    >>> finite(Recording(x), "drop units").responses.tolist()
    [[[2.0], [3.0], [5.0]]]
    >>> finite(Recording(x), "drop stimuli").notes
    ('1 of 3 stimuli left out: NaN',)
    """
    policy = _checked_policy("nan", policy, NAN)
    recording = _shown_twice(recording)
    missing, bad, spoiled = _holes(recording, spontaneous)
    units, presentations, frames = bad.any(0).any(0) | spoiled.any(0), bad.any(2), spoiled.any(1)
    if not units.any():
        return recording
    if policy == "error":
        raise _not_finite(recording, spontaneous)
    if policy == "drop units":
        return recording.keep(units=~units, note=f"{int(units.sum())} of {len(units)} units left out: NaN")
    if frames.any() and recording.spontaneous is not None:
        note = f"{int(frames.sum())} of {len(frames)} frames of spontaneous activity left out: NaN"
        kept = recording.spontaneous[~frames]
        recording = replace(recording, spontaneous=kept, notes=(*recording.notes, note))
    if len(missing) == 1 and presentations.any():
        note = f"{int(presentations.sum())} of {presentations.shape[1]} stimuli left out: NaN"
        return recording.keep(stimuli=~presentations[0], note=note)
    if presentations.any():
        note = f"{int(presentations.sum())} of {int((~missing).sum())} presentations left out: NaN"
        x = recording.responses.masked_fill(presentations[:, :, None], torch.nan)
        recording = _shown_twice(replace(recording, responses=x, notes=(*recording.notes, note)))
    return recording


def _holes(recording: Recording, spontaneous: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Masks of presentations that were not recorded, and of the other NaN in responses and spontaneous activity."""
    x, activity = recording.responses, recording.spontaneous if spontaneous else None
    missing = torch.isnan(x).all(2) & (len(x) > 1)
    spoiled = torch.zeros(0, x.shape[2], dtype=torch.bool) if activity is None else ~torch.isfinite(activity)
    return missing, ~torch.isfinite(x) & ~missing[:, :, None], spoiled


def _not_finite(recording: Recording, spontaneous: bool) -> DataError:
    """The error for NaN and infinite values, with the policies that would leave something to measure."""
    missing, bad, spoiled = _holes(recording, spontaneous)
    stimuli, units = bad.any(2).any(0), bad.any(0).any(0) | spoiled.any(0)
    kept = (~(missing | bad.any(2))).sum(0) >= min(2, len(missing))
    left = [word for word, enough in (("units", not units.all()), ("stimuli", int(kept.sum()) > 1)) if enough]
    ways = [f"nan='drop {word}' (--nan drop-{word})" for word in left]
    return DataError(
        f"{recording.where}: NaN or infinite values",
        got=f"{int(bad.sum())} in the responses ({int(stimuli.sum())} stimuli), {int(spoiled.sum())} in the "
        f"spontaneous activity; {int(units.sum())} of {len(units)} units",
        fix=f"prepared(recording, ...) with {' or '.join(ways)}" if ways else "drop the worst units and stimuli before",
    )


def _shown_twice(recording: Recording) -> Recording:
    """Of two repeats or more, leave out stimuli without two presentations, and repeats without any."""
    missing = torch.isnan(recording.responses).all(2)
    if len(missing) == 1 or not missing.any():
        return recording
    few = (~missing).sum(0) < 2
    if few.any():
        note = f"{int(few.sum())} of {len(few)} stimuli left out: fewer than two presentations"
        recording, missing = recording.keep(stimuli=~few, note=note), missing[:, ~few]
    order = missing.long().sort(dim=0, stable=True).indices[: int((~missing).sum(0).max())]
    x = recording.responses.gather(0, order[:, :, None].expand(-1, -1, recording.responses.shape[2]))
    return replace(recording, responses=x)


def varying(recording: Recording, policy: str = "error", spontaneous: bool = False) -> Recording:
    """Remove constant units from a recording: they have no variance and add only zero eigenvalues.

    Args:
        policy: `"error"` or `"drop units"`.
        spontaneous: also remove units that are constant in spontaneous activity, by whose sd `zscored` divides.

    Returns:
        The recording, with a note that counts what was left out, if anything was.

    Raises:
        InputError: unknown policy.
        DataError: constant units with `"error"`, or no unit is left.

    >>> x = torch.tensor([[[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]]])
    >>> varying(Recording(x), "drop units").notes
    ('1 of 2 units left out: constant',)
    """
    policy = _checked_policy("constant", policy, CONSTANT)
    still = constant(recording.responses.flatten(0, 1))
    if spontaneous and recording.spontaneous is not None:
        still = still | constant(recording.spontaneous)
    if not still.any():
        return recording
    if policy == "error":
        raise DataError(
            f"{recording.where}: units that never change",
            got=f"{int(still.sum())} of {len(still)}, numbers {still.nonzero().flatten()[:5].tolist()} (from 0)",
            wanted="variance in every unit" + " and in its spontaneous activity" * spontaneous,
            fix="prepared(recording, ...) with constant='drop units' (--constant drop-units)",
        )
    return recording.keep(units=~still, note=f"{int(still.sum())} of {len(still)} units left out: constant")


def zscored(recording: Recording) -> Recording:
    """Scale each unit to (x − mean) / sd of its spontaneous activity, or of its responses where there is none.

    The sd has the divisor n.  Spontaneous activity is scaled as well.

    Raises:
        DataError: a unit with sd 0; see `varying`.

    Source: loadProc2800.m of Stringer et al. 2019.  Differs from it by adding nothing to the sd (there 1e-6).

    >>> x = torch.tensor([[[1.0], [2.0], [3.0]]])
    >>> zscored(Recording(x, spontaneous=torch.tensor([[0.0], [4.0]]))).responses.flatten().tolist()
    [-0.5, 0.0, 0.5]
    """
    spontaneous = None if recording.spontaneous is None else recording.spontaneous.double()
    base = _recorded(recording.responses).double() if spontaneous is None else spontaneous
    mean, sd = base.mean(0), base.std(0, correction=0)
    if not bool((sd > 0).all()):
        units = (~(sd > 0)).nonzero().flatten()[:5].tolist()
        raise DataError(f"{recording.where}: units without variance or with NaN", got=f"numbers {units} (from 0)")
    source = "the responses" if spontaneous is None else f"{len(base)} frames of spontaneous activity"
    return replace(
        recording,
        responses=(recording.responses.double() - mean) / sd,
        spontaneous=None if spontaneous is None else (spontaneous - mean) / sd,
        notes=(*recording.notes, f"z-scored by mean and sd of {source}"),
    )


def without_spontaneous(recording: Recording, components: int = 32) -> Recording:
    """Project the leading principal components of spontaneous activity out of the responses.

    X − X V Vᵀ, V = the `components` leading eigenvectors of the covariance of spontaneous activity over frames.
    The result has at most units − components dimensions, so that many fewer eigenvalues can be fitted.

    Args:
        components: how many; 32 in Stringer et al. 2019.

    Raises:
        InputError: no spontaneous activity, or not that many components in it.

    >>> spont = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    >>> x = torch.tensor([[[3.0, 1.0], [0.0, 2.0]]])
    >>> without_spontaneous(Recording(x, spont), 1).responses.round(decimals=6).tolist()
    [[[1.0, -1.0], [-1.0, 1.0]]]
    """
    if recording.spontaneous is None:
        raise InputError(
            f"{recording.where}: no spontaneous activity to remove",
            wanted="an array 'spontaneous' or 'spont' (frames x units) beside the responses",
            fix="leave out remove_spontaneous (--remove-spontaneous)",
        )
    frames, units = recording.spontaneous.shape
    if not 1 <= components <= min(frames - 1, units - 1):
        raise InputError(
            f"{recording.where}: not that many components of spontaneous activity",
            got=f"{components} of {frames} frames x {units} units",
            wanted=f"1 .. {min(frames - 1, units - 1)}",
        )
    vectors = _leading(recording.spontaneous.double(), components)
    x = recording.responses.double()
    note = f"{components} leading components of spontaneous activity removed ({frames} frames)"
    return replace(recording, responses=x - (x @ vectors) @ vectors.T, notes=(*recording.notes, note))


def prepared(
    recording: Recording,
    *,
    nan: str = "error",
    constant: str = "error",
    zscore: bool = False,
    remove_spontaneous: int = 0,
) -> Recording:
    """Apply the steps of Stringer et al. 2019: NaN, constant units, z-scores, removal of spontaneous activity.

    Only what is used is looked at: NaN in units that are left out as constant, and in spontaneous activity that no step
    uses, is none of their concern.  Where a stimulus was shown less often than others, its later repeats stay NaN.

    Their last step, centring over stimuli, is part of `spectrum` and `cvpca`.

    >>> x = torch.tensor([[[1.0, 2.0], [3.0, 2.0], [5.0, 4.0]]])
    >>> prepared(Recording(x), zscore=True).notes
    ('z-scored by mean and sd of the responses',)
    """
    admit(prepared, locals())
    if _checked_policy("constant", constant, CONSTANT) == "drop units":
        recording = varying(recording, constant, spontaneous=zscore)
    recording = finite(recording, nan, spontaneous=zscore or remove_spontaneous > 0)
    recording = varying(recording, constant, spontaneous=zscore)
    recording = zscored(recording) if zscore else recording
    return without_spontaneous(recording, remove_spontaneous) if remove_spontaneous else recording


def _recorded(x: Tensor) -> Tensor:
    """Rows of the presentations that were recorded."""
    return x[~torch.isnan(x).all(2)]


def _leading(x: Tensor, components: int) -> Tensor:
    """Leading right singular vectors of the centred rows, from the smaller of the two Gram matrices."""
    from scipy.linalg import eigh

    x = x - x.mean(0)
    wide = x.shape[0] < x.shape[1]
    matrix = gram(x.T if wide else x)
    last = len(matrix) - 1
    values, vectors = eigh(matrix.numpy(), subset_by_index=[last - components + 1, last])
    if not values[0] > 1e-12 * values[-1]:
        raise InputError("spontaneous activity has fewer components", got=int((values > 1e-12 * values[-1]).sum()))
    found = torch.from_numpy(vectors)
    return torch.linalg.qr(x.T @ found).Q if wide else found


def _checked_policy(what: str, policy: str, policies: tuple[str, ...]) -> str:
    """Check the name of a policy; `drop-units` stands for `drop units`."""
    found = policy.replace("-", " ")
    if found not in policies:
        raise InputError(f"unknown policy for {what}", got=repr(policy), wanted=", ".join(map(repr, policies)))
    return found
