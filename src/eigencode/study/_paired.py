"""Numbers of a study and differences between them over seeds, with a 95 % interval and a p-value."""

import math
import statistics
from collections.abc import Callable, Sequence

from eigencode.robustness.survival import share
from eigencode.study._mean import Mean, Z
from eigencode.study.results import Row

Place = tuple[str, str]
"""(model, quantity)."""


def margin(rows: Sequence[Row], one: Place, other: Place | None = None, value: float = 0.0) -> Mean:
    """The mean of the number at `one` minus the number at `other`, or minus a constant, on one data set.

    Numbers of snapshots are left out.  The number of one model varies with the seeds and the images.  A difference is
    taken on the same images and paired over seeds, so that the variance of its seeds holds all of it.  A single seed
    has the variance of the difference over reweightings of the common images (`Readable.draws`), or, where a number has
    none, the intervals of both numbers over the images, as if they were independent.  A seed for which either number
    could not be measured is left out of the mean, and the interval is then without ends: that seed might have said
    anything.
    """
    end = [r for r in rows if r.epoch is None]
    mine = {r.seed: r for r in end if (r.model, r.quantity) == one}
    theirs = {r.seed: r for r in end if (r.model, r.quantity) == other}
    seeds = [s for s in mine if other is None or s in theirs]
    known = [s for s in seeds if not math.isnan(mine[s].value) and (other is None or not math.isnan(theirs[s].value))]
    differences = [mine[s].value - (value if other is None else theirs[s].value) for s in known]
    if not differences or not all(map(math.isfinite, differences)):
        return Mean(math.nan, len(differences), math.nan)
    if other is None:
        lows, highs = ([getattr(mine[s], end) - value for s in known] for end in ("low", "high"))
        found = Mean.of(differences, lows, highs)
    elif len(known) == 1:
        below, above = _over_images(mine[known[0]], theirs[known[0]])
        found = Mean(differences[0], 1, 0.0, below, above)
    else:
        found = Mean.of(differences)
    return found if len(known) == len(seeds) else Mean(found.value, found.seeds, found.over_seeds, math.inf, math.inf)


def held(rows: Sequence[Row], one: Place, other: Place | None, value: float, holds: Callable[[float], bool]) -> Mean:
    """The share of seeds in which the difference `holds`, with its Wilson interval over seeds.

    The difference is that of `margin`.  The interval is that of all seeds, from its lower end if no seed holds whose
    difference is not known to the upper end if all of them do; the value is the share of the others.
    """
    end = [r for r in rows if r.epoch is None]
    mine = {r.seed: r.value for r in end if (r.model, r.quantity) == one}
    theirs = {r.seed: r.value for r in end if (r.model, r.quantity) == other}
    found = [v - (value if other is None else theirs.get(s, math.nan)) for s, v in mine.items()]
    known = [d for d in found if not math.isnan(d)]
    if not known:
        return Mean(math.nan, 0, math.nan)
    yes, n = sum(map(holds, known)), len(found)
    rate = yes / len(known)
    low, high = float(share(yes, n).low), float(share(yes + n - len(known), n).high)
    return Mean(rate, len(known), 0.0, ((rate - low) / Z) ** 2, ((high - rate) / Z) ** 2)


def chosen(rows: Sequence[Row], one: Place, by: str, sign: int) -> tuple[Mean, str]:
    """The number at `one` of the seed in which `sign` · `by` is largest, minus the mean of the other seeds; its rank.

    The interval is the prediction interval of one more seed like the others, so the difference is significant if the
    chosen seed is unlike a seed chosen by lot.  Nothing is chosen where two seeds have the largest number.  A seed that
    lacks one of the two numbers is left out, and the interval is then without ends: it might be the one.
    """
    end = [r for r in rows if r.epoch is None and r.model == one[0]]
    values, keys = ({r.seed: r.value for r in end if r.quantity == name} for name in (one[1], by))
    both = [s for s in values if s in keys]
    seeds = [s for s in both if math.isfinite(values[s]) and not math.isnan(keys[s])]
    ranked = sorted(seeds, key=lambda s: sign * keys[s])
    if len(seeds) < 3 or keys[ranked[-1]] == keys[ranked[-2]]:
        return Mean(math.nan, len(seeds), math.nan), ""
    best = ranked[-1]
    others = [values[s] for s in seeds if s != best]
    rank = 1 + sum(v > values[best] for v in others)
    variance = statistics.variance(others) * (1 + 1 / len(others))
    open_ = math.inf if len(seeds) < len(both) else 0.0
    found = Mean(values[best] - statistics.fmean(others), len(others), variance, open_, open_)
    return found, f"seed {best}, rank {rank} of {len(seeds)} from the largest"


def _over_images(one: Row, two: Row) -> tuple[float, float]:
    """Variance over images of a difference of one seed on either side; infinite where a number has no interval."""
    if one.draws is not None and two.draws is not None:
        variance = float((one.draws - two.draws).var())
        if math.isfinite(variance):
            return variance, variance
    reach = (one.value - one.low, two.high - two.value), (one.high - one.value, two.value - two.low)
    if not all(r >= 0 for side in reach for r in side):
        return math.inf, math.inf
    below, above = ((math.hypot(*side) / Z) ** 2 for side in reach)
    return below, above
