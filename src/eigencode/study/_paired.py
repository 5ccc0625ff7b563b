"""Differences between numbers of a study, paired over seeds, with a 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eigencode.base.intervals import t_interval
from eigencode.study.results import Row

Place = tuple[str, str]
"""(model, quantity)."""


@dataclass(frozen=True)
class Margin:
    """Mean over seeds with its 95 % t interval; with only one seed, the interval over images."""

    value: float
    low: float
    high: float
    seeds: int

    def __neg__(self) -> "Margin":
        return Margin(-self.value, -self.high, -self.low, self.seeds)


def margin(rows: Sequence[Row], one: Place, other: Place | None = None, value: float = 0.0) -> Margin:
    """The mean of the number at `one` minus the number at `other`, or minus a constant, on one data set.

    A seed for which either number could not be measured is left out of the mean, and the interval is then without
    ends: that seed might have said anything.
    """
    mine = {r.seed: r for r in rows if (r.model, r.quantity) == one}
    theirs = {r.seed: r for r in rows if (r.model, r.quantity) == other}
    seeds = [s for s in mine if other is None or s in theirs]
    both = {s: (mine[s].value, theirs[s].value if other is not None else value) for s in seeds}
    known = {s: pair for s, pair in both.items() if not any(map(math.isnan, pair))}
    differences = [one_ - other_ for one_, other_ in known.values()]
    if not differences or not all(map(math.isfinite, differences)):
        return Margin(math.nan, math.nan, math.nan, len(differences))
    mean = math.fsum(differences) / len(differences)
    if len(known) < len(seeds):
        return Margin(mean, -math.inf, math.inf, len(known))
    if len(differences) == 1:
        down, up = _over_images(mine[seeds[0]], theirs.get(seeds[0]))
        return Margin(mean, mean - down, mean + up, 1)
    return Margin(*t_interval(differences), len(differences))


def _over_images(one: Row, two: Row | None) -> tuple[float, float]:
    """Distances from the value to the ends of its interval for one seed, treating both numbers as independent."""
    down, up = one.value - one.low, one.high - one.value
    if two is not None:
        down, up = math.hypot(down, two.high - two.value), math.hypot(up, two.value - two.low)
    return (down, up) if math.isfinite(down) and math.isfinite(up) else (math.inf, math.inf)
