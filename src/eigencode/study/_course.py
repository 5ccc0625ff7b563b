"""Numbers about the course of a quantity in training: when it is half way, and when it is largest and smallest."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar, runtime_checkable

EXTREMES = ("largest", "smallest")
"""Of these numbers, those in the unit of the quantity."""

COURSE = ("half way", *(name for extreme in EXTREMES for name in (extreme, f"step of the {extreme}")))
"""What is said about the course of every quantity that is measured at snapshots."""


@runtime_checkable
class Measured(Protocol):
    """A row of results that a snapshot has."""

    @property
    def quantity(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def convention(self) -> str: ...
    @property
    def step(self) -> int | None: ...


R = TypeVar("R", bound=Measured)


def about(quantity: str, what: str) -> str:
    """The name of a number about the course of a quantity."""
    return f"{quantity}, {what}"


def course(rows: Sequence[R]) -> Iterator[tuple[R, str, float, str, tuple[str, ...]]]:
    """When every quantity is half way, largest and smallest: (row it is of, name, value, convention, warnings).

    A quantity that does not exist at the first or the last moment is never half way.

    Args:
        rows: of one network, with the steps at which they were measured.
    """
    for quantity in dict.fromkeys(row.quantity for row in rows):
        measured = sorted((r for r in rows if r.quantity == quantity), key=_step)
        known = [r for r in measured if not math.isnan(r.value)]
        if not known:
            continue
        lost = [str(_step(r)) for r in measured if math.isnan(r.value)]
        doubts = (f"no number at step{'s' if len(lost) > 1 else ''} {', '.join(lost)}",) if lost else ()
        when = f"of {len(known)} snapshots from step {_step(known[0])} to {_step(known[-1])}"
        points = [(_step(r), r.value) for r in measured]
        told = f"training step at which it is half way from the first to the last {when} for the first time, and may go"
        said = f"{told} back later; interpolated linearly in log(1 + step)"
        yield known[-1], about(quantity, COURSE[0]), half_way(points), said, doubts
        for extreme, choose in zip(EXTREMES, (max, min), strict=True):
            found = choose(known, key=lambda r: r.value)  # the first of equal ones
            yield found, about(quantity, extreme), found.value, f"{found.convention}; {extreme} {when}", doubts
            said = f"training step of the {extreme} {when}"
            yield found, about(quantity, f"step of the {extreme}"), float(_step(found)), said, doubts


def half_way(points: Sequence[tuple[int, float]]) -> float:
    """The step at which a quantity is half way from its first to its last value for the first time.

    Between two measured steps it is taken as linear in log(1 + step).  NaN if first and last value are equal, if one of
    them is NaN, or if one is infinite where it matters.  Other values that are NaN are passed over.

    >>> round(half_way([(0, 0.0), (1, 0.0), (3, 1.0)]), 6)  # log2(1 + step) = 0, 1, 2
    1.828427
    >>> half_way([(0, 1.0), (10, 1.0)])
    nan
    """
    first, last = points[0][1], points[-1][1]
    target = (first + last) / 2
    if not math.isfinite(target) or first == last:
        return math.nan
    rises, points = last > first, [p for p in points if not math.isnan(p[1])]
    for (a, low), (b, high) in pairwise(points):
        if (high >= target) if rises else (high <= target):
            if math.isinf(low) or math.isinf(high):
                return math.nan
            share = (target - low) / (high - low)
            return math.expm1(math.log1p(a) + share * (math.log1p(b) - math.log1p(a)))
    return math.nan


def _step(row: Measured) -> int:
    assert row.step is not None
    return row.step
