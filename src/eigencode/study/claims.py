"""Does what a study claims hold in its own numbers?  A verdict per claim and data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from scipy import special

from eigencode.study.config import Claim, Study
from eigencode.study.results import Row

Judged = Literal["reproduced", "partly", "not", "reversed", "not measured"]


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    `value` is the mean over seeds of what is compared with zero or, for "within", with a constant; `low` and `high` its
    95 % t interval over seeds, for one seed that over images.  `verdict`:

    reproduced    the whole interval agrees with the claim
    partly        the mean agrees, the interval does not exclude the contrary
    not           the mean disagrees, the interval does not exclude that the claim holds
    reversed      the whole interval disagrees; for "within": it does not touch the range
    not measured  a number is missing

    An order is reproduced if every neighbouring pair is, partly if the means are in order, reversed if the means are
    in the opposite order, and not otherwise; `value` is then the smallest difference between neighbours.
    """

    data: str
    statement: str
    quantity: str
    compared: str
    value: float
    low: float
    high: float
    seeds: int
    published: str
    verdict: Judged


@dataclass(frozen=True)
class _Margin:
    """Mean and interval of a number that is positive where a claim holds."""

    value: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self) -> Judged:
        if not math.isfinite(self.value):
            return "not measured"
        if self.value > 0:
            return "reproduced" if self.low > 0 else "partly"
        return "reversed" if self.high < 0 else "not"


def verdicts(study: Study, rows: Sequence[Row]) -> list[Verdict]:
    """The verdict on every claim of a study, for each of its data sets."""
    return [_judged(claim, data, rows) for data in study.datasets for claim in study.claims]


def _judged(claim: Claim, data: str, rows: Sequence[Row]) -> Verdict:
    found = [r for r in rows if r.data == data and r.quantity == claim.quantity]
    if claim.order:
        margin, verdict, compared = _ordered(claim, found)
    elif claim.comparison == "within":
        margin, verdict, compared = _within(claim, found)
    else:
        margin = _margin(found, claim.model, claim.other, claim.value or 0.0)
        against = claim.other if claim.other is not None else f"{claim.value:g}"
        compared = f"{claim.model} − {against}, claimed {claim.comparison} 0"
        flipped = _Margin(-margin.value, -margin.high, -margin.low, margin.seeds)
        verdict = margin.verdict if claim.comparison == ">" else flipped.verdict
    numbers = (margin.value, margin.low, margin.high, margin.seeds)
    return Verdict(data, claim.statement, claim.quantity, compared, *numbers, claim.published, verdict)


def _within(claim: Claim, rows: Sequence[Row]) -> tuple[_Margin, Judged, str]:
    margin = _margin(rows, claim.model, None, 0.0)
    assert claim.value is not None
    low, high = claim.value - claim.tolerance, claim.value + claim.tolerance
    if not math.isfinite(margin.value):
        verdict: Judged = "not measured"
    elif low <= margin.value <= high:
        verdict = "reproduced" if low <= margin.low and margin.high <= high else "partly"
    else:
        verdict = "reversed" if margin.high < low or margin.low > high else "not"
    return margin, verdict, f"{claim.model}, claimed {claim.value:g} ± {claim.tolerance:g}"


def _ordered(claim: Claim, rows: Sequence[Row]) -> tuple[_Margin, Judged, str]:
    margins = [_margin(rows, first, second, 0.0) for first, second in pairwise(claim.order)]
    compared = " > ".join(claim.order)
    missing = [m for m in margins if m.verdict == "not measured"]
    if missing:
        return missing[0], "not measured", compared
    each = [m.verdict for m in margins]
    smallest = min(margins, key=lambda m: m.value)
    if all(v == "reproduced" for v in each):
        return smallest, "reproduced", compared
    if all(m.value > 0 for m in margins):
        return smallest, "partly", compared
    return smallest, "reversed" if all(m.value < 0 for m in margins) else "not", compared


def _margin(rows: Sequence[Row], model: str, other: str | None, value: float) -> _Margin:
    """`model` minus `other`, or minus a constant: paired over seeds."""
    one = {r.seed: r for r in rows if r.model == model}
    two = {r.seed: r for r in rows if r.model == other} if other is not None else {}
    seeds = [s for s in one if other is None or s in two]
    differences = [one[s].value - (two[s].value if other is not None else value) for s in seeds]
    if not differences or not all(map(math.isfinite, differences)):
        return _Margin(math.nan, math.nan, math.nan, len(differences))
    mean = math.fsum(differences) / len(differences)
    if len(differences) == 1:
        half = _over_images(one[seeds[0]], two.get(seeds[0]))
        return _Margin(mean, mean - half[0], mean + half[1], 1)
    n = len(differences)
    spread = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    reach = float(special.stdtrit(n - 1, 0.975)) * spread / math.sqrt(n)
    return _Margin(mean, mean - reach, mean + reach, n)


def _over_images(one: Row, two: Row | None) -> tuple[float, float]:
    """Reach of the interval of one seed below and above: those of the two numbers as if they were independent."""
    down, up = one.value - one.low, one.high - one.value
    if two is not None:
        down, up = math.hypot(down, two.high - two.value), math.hypot(up, two.value - two.low)
    return (down, up) if math.isfinite(down) and math.isfinite(up) else (math.inf, math.inf)
