"""Spectra of nested sets of units, in one pass over the responses (figure 3 of arXiv 2405.00679)."""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.groups import Groups
from eigencode.base.moments import Moments
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.spectra._covariance import Scale, from_moments
from eigencode.spectra._influence import rows_wanted, subsample
from eigencode.spectra._responses import Source, responses
from eigencode.spectra.spectrum import Reservoir, Spectrum, assembled, check_rows


def spectra_by_width(
    code: Source,
    x: Images | Array | None = None,
    *,
    widths: Sequence[int],
    order: Literal["first", "random"] = "random",
    interval: bool = True,
    points: bool = False,
    batch_size: int | None = None,
    scale: Scale = "none",
    seed: int = 0,
    groups: Array | None = None,
) -> list[Spectrum]:
    """Covariance spectra of nested sets of m units for every m of `widths`.

    Args:
        code, x, interval, points, batch_size, scale, seed, groups: as in `spectrum`.
        widths: numbers of units, each from 2 to all of them.
        order: `"first"` units as they are numbered, or nested `"random"` sets drawn with `seed`.

    Returns:
        One `Spectrum` per width, in the order of `widths`; `source` states the width.

    Raises:
        InputError: a width that does not exist.

    >>> x = torch.randn(500, 30, generator=torch.Generator().manual_seed(0))
    >>> [s.n_units for s in spectra_by_width(x, widths=(10, 30))]
    [10, 30]
    """
    admit(spectra_by_width, locals())
    given = responses(code, x, batch_size, points, groups)
    together, wanted = Groups.of(given.groups), rows_wanted(max(widths, default=0))
    kept = Reservoir(seed, wanted, together)
    eps = 0.0

    def parts() -> Iterator[Moments]:
        nonlocal eps
        for batch in kept.watching(given.batches()) if interval else given.batches():
            eps = max(eps, torch.finfo(batch.dtype).eps)
            yield Moments.of(batch)

    moments = Moments.merged(parts())
    units = len(moments.mean)
    check_rows(given.groups, moments.n)
    index = None if together is None else subsample(moments.n, wanted, units, seed, together)
    bad = [m for m in widths if not 2 <= m <= units]
    if bad or not widths:
        raise InputError("no such width", got=bad or "none", wanted=f"2 .. {units} units")
    ranked = torch.randperm(units, generator=stream(seed, "widths")) if order == "random" else torch.arange(units)
    origin = {"space": given.space, "reduce": given.reduce}
    found, errors = [], given.errors() if interval else None
    for m in widths:
        chosen = ranked[:m].sort().values.to(moments.mean.device)
        part = from_moments(moments.of_units(chosen), eps, interval, scale)
        part = part if errors is None else part.with_errors(errors[:, chosen.to(errors.device)])
        rows = kept.rows()[:, chosen] if interval else None
        found.append(
            assembled(part, rows, {**origin, "source": f"{m} {order} units of {given.label}"}, seed, together, index)
        )
    return found
