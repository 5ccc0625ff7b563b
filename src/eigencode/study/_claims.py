"""Judge the claims of a study by its results: one verdict per claim and data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from eigencode.study._paired import Margin, margin
from eigencode.study.config import Claim, Study
from eigencode.study.results import Row

Judged = Literal["reproduced", "partly", "not", "reversed", "not measured"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim, with the number it is based on.

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
    explained_by: tuple[str, ...] = ()


def verdicts(study: Study, rows: Sequence[Row]) -> list[Verdict]:
    """Judge every claim of a study on each of its data sets; a claim with `data` only on that one."""
    pairs = [(claim, data) for data in study.datasets for claim in study.claims if claim.data in ("", data)]
    return [_judged(claim, data, rows) for claim, data in pairs]


def _judged(claim: Claim, data: str, rows: Sequence[Row]) -> Verdict:
    found = [r for r in rows if r.data == data]
    if claim.order:
        number, verdict, compared = _ordered(claim, found)
    elif claim.comparison == "within":
        number, verdict, compared = _within(claim, found)
    else:
        other = None if claim.other is None else (claim.other, claim.other_quantity or claim.quantity)
        number = margin(found, (claim.model, claim.quantity), other, claim.value or 0.0)
        compared = f"{claim.model} − {_against(claim)}, claimed {claim.comparison} 0"
        verdict = _positive(number if claim.comparison == ">" else -number)
    numbers = (number.value, number.low, number.high, number.seeds)
    said = (claim.published, verdict, claim.explained_by)
    return Verdict(data, claim.statement, claim.quantity, compared, *numbers, *said)


def _against(claim: Claim) -> str:
    if claim.other is None:
        return f"{claim.value:g}"
    return f"{claim.other} ({claim.other_quantity})" if claim.other_quantity else claim.other


def _positive(number: Margin) -> Judged:
    """The verdict on a number claimed to be larger than zero."""
    if not math.isfinite(number.value):
        return "not measured"
    if number.value > 0:
        return "reproduced" if number.low > 0 else "partly"
    return "reversed" if number.high < 0 else "not"


def _within(claim: Claim, rows: Sequence[Row]) -> tuple[Margin, Judged, str]:
    number = margin(rows, (claim.model, claim.quantity))
    assert claim.value is not None
    low, high = claim.value - claim.tolerance, claim.value + claim.tolerance
    if not math.isfinite(number.value):
        verdict: Judged = "not measured"
    elif low <= number.value <= high:
        verdict = "reproduced" if low <= number.low and number.high <= high else "partly"
    else:
        verdict = "reversed" if number.high < low or number.low > high else "not"
    return number, verdict, f"{claim.model}, claimed {claim.value:g} ± {claim.tolerance:g}"


def _ordered(claim: Claim, rows: Sequence[Row]) -> tuple[Margin, Judged, str]:
    places = [(model, claim.quantity) for model in claim.order]
    margins = [margin(rows, first, second) for first, second in pairwise(places)]
    compared = " > ".join(claim.order)
    each = [_positive(m) for m in margins]
    if "not measured" in each:
        return margins[each.index("not measured")], "not measured", compared
    smallest = min(margins, key=lambda m: m.value)
    if all(v == "reproduced" for v in each):
        return smallest, "reproduced", compared
    if all(m.value > 0 for m in margins):
        return smallest, "partly", compared
    return smallest, "reversed" if all(m.value < 0 for m in margins) else "not", compared
