"""Responses `repeats x stimuli x units` in which stimuli may have been shown unequally often."""

from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.arrays import Array, tensor
from eigencode.base.errors import InputError
from eigencode.base.groups import groups_of
from eigencode.base.symmetric import refuse_unsquarable

FEWEST = 8
"""Smallest number of stimuli for moments."""


def repeats_of(
    responses: Array, fewest: int = FEWEST, groups: Array | None = None
) -> tuple[Tensor, Tensor, Tensor | None, list[str]]:
    """Responses, where there is a presentation (repeats x stimuli), groups, and notes on stimuli that were left out.

    Args:
        fewest: smallest number of stimuli.
        groups: a label per stimulus.

    >>> x = torch.rand(2, 9, 4)
    >>> x[1, 3] = torch.nan
    >>> x, present, _, notes = repeats_of(x)
    >>> x.shape, int(present.sum()), notes
    (torch.Size([2, 8, 4]), 16, ['1 of 9 stimuli shown fewer than twice left out'])
    """
    x = tensor(responses, "responses", "rsu" if getattr(responses, "ndim", 3) == 3 else "su").detach()
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or x.shape[1] < fewest or len(x) > x.shape[1]:
        axis, which = (1, "middle") if x.ndim == 3 and x.shape[1] < x.shape[2] else (-1, "last")
        runs = f"x.tensor_split({x.shape[1]})" if x.ndim == 3 and x.shape[1] >= fewest else ""
        more = f"; torch.stack([x.mean(0) for x in {runs}]), if there are more repeats than stimuli" if runs else ""
        raise InputError(
            "not repeats of stimuli",
            got=f"shape {tuple(x.shape[1:] if x.ndim == 3 and len(x) == 1 else x.shape)}",
            wanted=f"repeats x stimuli x units, {fewest} stimuli or more and not fewer than repeats",
            fix=f"torch.as_tensor(x).movedim({axis}, 0), if the repeats are the {which} axis{more}",
        )
    x = x if x.is_floating_point() else x.double()
    finite = torch.isfinite(x)
    present, missing = finite.all(2), x.isnan().all(2)
    bad = int((~(present | missing)).sum())
    if bad or (len(x) == 1 and bool(missing.any())):
        raise InputError(
            "responses hold NaN or Inf",
            got=f"{int((~finite).sum())} values, in {bad + int(missing.sum())} of {present.numel()} presentations",
            wanted="finite numbers; all units NaN where a stimulus was not shown",
            fix="x[..., (np.isfinite(np.asarray(x)) | np.isnan(np.asarray(x)).all(-1)[..., None]).all("
            "tuple(range(x.ndim - 1)))], if few units are affected",
        )
    kept, numbers = present.sum(0) >= min(2, len(x)), groups_of(None, groups, x.shape[1])
    notes = []
    if not bool(kept.all()):
        notes.append(f"{int((~kept).sum())} of {len(kept)} stimuli shown fewer than twice left out")
        x, present = x[:, kept], present[:, kept]
        numbers = None if numbers is None else numbers[kept.cpu()]
    if not bool((used := present.any(1)).all()):
        x, present = x[used], present[used]
    if x.shape[1] < fewest:
        raise InputError("too few stimuli shown twice", got=x.shape[1], wanted=f">= {fewest}")
    for r in range(len(x)):
        shown = x[r, present[r]].double()
        if len(shown) < 2:
            continue
        still = bool((shown.amax(0) - shown.amin(0) <= 1e-14 * shown.abs().amax(0)).all())
        shown -= shown[0].clone()
        refuse_unsquarable(shown, shown.square().sum(0))
        if still:
            raise InputError(
                f"repeat {r + 1} is the same for all stimuli",
                got=f"{x.shape[2]} constant units",
                wanted="responses that vary with the stimulus",
            )
    return x, present.cpu(), numbers, notes


def copied(x: Float[Tensor, "repeats stimuli units"], present: Bool[Tensor, "repeats stimuli"]) -> str:
    """Warning about presentations that are none: copies, and later repeats with one number in all units; "" if none.

    Two noisy presentations of a stimulus are never exactly equal, unless responses are whole numbers or the same in all
    units; such presentations are no copies.

    >>> x = torch.rand(3, 9, 4, generator=torch.Generator().manual_seed(0))
    >>> x[2, :5] = x[1, :5]
    >>> copied(x, torch.ones(3, 9, dtype=torch.bool))[:26]
    '5 of 9 stimuli have copies'
    """
    found = torch.zeros(x.shape[1], dtype=torch.bool)
    for one, other in combinations(range(len(x)), 2):
        rows = (x[one, :, 0] == x[other, :, 0]).nonzero().flatten()
        mine = x[one, rows]
        alike = (mine == x[other, rows]).all(1) & (mine.amax(1) > mine.amin(1)) & (mine != mine.round()).any(1)
        found[rows[alike].cpu()] = True
    count = int((found & (present.sum(0) > 1)).sum())
    if not count:
        return _padded(x, present)
    return (
        f"{count} of {len(found)} stimuli have copies of a presentation among their repeats, whose noise counts as "
        "signal; put NaN in their place"
    )


def _padded(x: Float[Tensor, "repeats stimuli units"], present: Bool[Tensor, "repeats stimuli"]) -> str:
    """Warning about repeats filled up with a number; "" unless the last ones of 5 stimuli or more are, and only those.

    Such presentations hold the same number in all units, more than 4.  Where a silent population has them by chance,
    they stand among the first repeats of some stimuli as well.
    """
    flat = ((x.amax(2) == x.amin(2)).cpu() & present) if x.shape[2] > 4 else torch.zeros_like(present)
    after = flat.long().cummax(0).values.bool() & present
    count = int(flat.any(0).sum())
    if count < 5 or bool(flat[0].any()) or not bool((after == flat).all()):
        return ""
    return (
        f"the last repeats of {count} of {x.shape[1]} stimuli have the same number in all units: if this "
        "is padding, put NaN in its place"
    )


def drift(x: Float[Tensor, "repeats stimuli units"], present: Bool[Tensor, "repeats stimuli"], total: float) -> str:
    """Warning about a mean response that changes between repeats by more than noise explains; "" if it does not.

    It is given where it moves the `total` variance of the signal by more than 5 %.  A mean that differs by d_r in
    repeat r moves it by −Σ_r ‖d_r‖² / (R (R − 1)) as repeats are exchanged; noise alone makes that Σ_r v / n_r / R² on
    average, with v its variance in the n_r stimuli of repeat r.
    """
    if (repeats := len(x)) < 2:
        return ""
    mean = mean_of(x, present, torch.arange(x.shape[1]))
    residual = moved = 0.0
    for one, shown in zip(x, present, strict=True):
        rows = shown.nonzero().flatten().to(x.device)
        left = one[rows].double() - mean[rows]
        residual += float(left.square().sum())
        moved += float(left.mean(0).square().sum()) / (repeats * (repeats - 1))
    variance = residual / max(1, int(present.sum()) - x.shape[1])
    chance = variance * float((1 / present.sum(1)).sum()) / repeats**2
    if moved <= 0.05 * abs(total) or moved <= 4 * chance:
        return ""
    return (
        f"the mean response changes from repeat to repeat (drift?), which changes the total variance by {-moved:.2g}, "
        f"to {total:.2g}; subtract from each repeat its mean over the stimuli that all repeats have, or from each "
        "session its mean, before its presentations are sorted into repeats"
    )


def split(
    x: Float[Tensor, "repeats stimuli units"],
    present: Bool[Tensor, "repeats stimuli"],
    stimuli: Int[Tensor, " some"],
    generator: torch.Generator,
    parts: int = 2,
) -> tuple[Float[Tensor, "some units"], Float[Tensor, "some units"]]:
    """Means of two parts of the repeats of every stimulus, split at random; one repeat is both.

    The second is one of so many `parts` of the repeats, rounded up, the first all others.  Over many splits all pairs
    of different repeats count alike.
    """
    if len(x) == 1:
        only = x[0, stimuli.to(x.device)].double()
        return only, only
    there = present[:, stimuli]
    drawn = torch.rand(there.shape, generator=generator, dtype=torch.float32)
    rank = drawn.masked_fill(~there, 2.0).argsort(0).argsort(0)
    first = rank < there.sum(0) * (parts - 1) // parts
    return mean_of(x, first, stimuli), mean_of(x, there & ~first, stimuli)


def mean_of(x: Tensor, shown: Tensor, stimuli: Tensor) -> Tensor:
    """Mean over the repeats that are `shown`; the others, which may be NaN, are not touched."""
    out = x.new_zeros(len(stimuli), x.shape[2], dtype=torch.float64)
    for repeat, mine in zip(x, shown, strict=True):
        rows = mine.nonzero().flatten()
        out.index_add_(0, rows.to(x.device), repeat[stimuli[rows].to(x.device)].double())
    return out / shown.sum(0).to(x.device)[:, None]
