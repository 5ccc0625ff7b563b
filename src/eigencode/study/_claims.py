"""Judge the claims of a study by its results: one verdict per claim and data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from eigencode.study._mean import Mean, holm
from eigencode.study._paired import chosen, held, margin
from eigencode.study.config import Claim, Study
from eigencode.study.relations._related import Related, related
from eigencode.study.relations._schema import JOINT
from eigencode.study.relations.effects import Effect
from eigencode.study.results import Row

Judged = Literal[
    "reproduced",
    "undecided, same sign",
    "undecided, opposite sign",
    "reversed",
    "undecided, inside",
    "undecided, outside",
    "outside",
    "not measured",
]


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim, with the number it is based on.

    `value` is the mean over seeds of the number that is compared with zero or, for "within", with a range; `low` and
    `high` its 95 % interval, over seeds for a difference of models, over seeds and images for the number of one model;
    `p` the two-sided p-value of the opposite or of nothing, `p_holm` the same adjusted for all claims of the study; NaN
    if nothing varies or nothing was measured.  `verdict`:

    reproduced                the whole interval agrees with the claim
    undecided, same sign      the mean agrees, the interval contains zero
    undecided, opposite sign  the mean does not agree (or is zero), the interval contains zero
    reversed                  the whole interval contradicts the claim

    A range has "reproduced" and "outside" if the whole interval lies inside and outside of it, otherwise "undecided,
    inside" or "undecided, outside", by the mean.

    An order is reproduced if each difference of neighbours is, and reversed if at least one is with Bonferroni's
    correction for their number; if undecided, it has the same sign if all means are in order.  `value`, `low` and
    `high` are those of the difference that decides: the least certain one if all have the sign of the claim, otherwise
    the most certain one of the opposite sign, whose p-value is multiplied by the number of differences.

    For a claim about a share of the seeds `value` is the share minus the claimed one, with the Wilson interval over
    seeds; for one about a chosen seed, its number minus the mean of the others, with the prediction interval of one
    more seed like them; for one about a relation, its effect minus the constant, with the interval over its groups.
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
    p: float = math.nan
    p_holm: float = math.nan


def verdicts(study: Study, rows: Sequence[Row], relations: Sequence[Related] | None = None) -> list[Verdict]:
    """Judge every claim of a study on each of its data sets; a claim with `data` only on that one.

    `relations`: those of the study, if they are known already.
    """
    known = {(r.data, r.relation.name): r for r in (related(study, rows) if relations is None else relations)}
    pairs = [(claim, data) for data in study.datasets for claim in study.claims if claim.data in ("", data)]
    found = [
        _of_relation(claim, known[data, claim.relation]) if claim.relation else _judged(claim, data, rows)
        for claim, data in pairs
    ]
    return [replace(v, p_holm=p) for v, p in zip(found, holm([v.p for v in found]), strict=True)]


def _judged(claim: Claim, data: str, rows: Sequence[Row]) -> Verdict:
    found = [r for r in rows if r.data == data]
    if claim.order:
        number, p, verdict, compared = _ordered(claim, found)
    elif claim.share is not None:
        number, p, verdict, compared = _shared(claim, claim.share, found)
    elif claim.chooses:
        number, p, verdict, compared = _chosen(claim, found)
    elif claim.comparison == "within":
        number, p, verdict, compared = _within(claim, found)
    else:
        number = margin(found, (claim.model, claim.quantity), _other(claim), claim.value or 0.0)
        compared = f"{claim.model} − {_against(claim)}, claimed {claim.comparison} 0"
        p, verdict = number.p, _positive(number if claim.comparison == ">" else -number)
    numbers = (number.value, number.low, number.high, int(number.seeds))
    return Verdict(
        *(data, claim.statement, claim.quantity, compared, *numbers, claim.published, verdict, claim.explained_by, p)
    )


def _of_relation(claim: Claim, found: Related) -> Verdict:
    """The verdict on an effect of a relation, whose number is compared on the scale on which its error is normal."""
    relation, groups = found.relation, len(found.groups)
    of = None if claim.effect in JOINT else relation.known[claim.predictor] if claim.predictor else 0
    effects = found.analysis.effects if found.analysis else ()
    nothing = Effect(str(claim.effect), of, math.nan, math.nan, 1.0)
    effect = next((e for e in effects if (e.kind, e.of) == (claim.effect, of)), nothing)
    value, about = claim.value or 0.0, ", ".join(p.label for p in relation.predictors)
    about = about if of is None else relation.predictors[of].label
    given = f" given {', '.join(c.label for c in relation.controls)}" if relation.controls else ""
    compared = f"{claim.effect} of {about}{given}, {len(found.points)} networks in {groups} groups"
    number = effect.minus(value)
    if claim.comparison == "within":
        least = value - claim.tolerance
        low = -math.inf if effect.scale == "partial R2" and least <= 0 else effect.at(least)  # R² is never below 0
        p, verdict = _inside(effect.minus(0.0), low, effect.at(value + claim.tolerance))
        compared += f", claimed {value:g} ± {claim.tolerance:g}"
        ends = effect.interval
    else:
        p, verdict = number.p, _positive(number if claim.comparison == ">" else -number)
        compared += f", minus {value:g}" * bool(value) + f", claimed {claim.comparison} 0"
        ends = tuple(end - value for end in effect.interval)  # type: ignore[assignment]
    seeds, outcome = len({p.seed for p in found.points}), relation.outcome.label
    return Verdict(
        *(found.data, claim.statement, outcome, compared, *ends, seeds, claim.published, verdict, claim.explained_by, p)
    )


def _other(claim: Claim) -> tuple[str, str] | None:
    return None if claim.other is None else (claim.other, claim.other_quantity or claim.quantity)


def _against(claim: Claim) -> str:
    if claim.other is None:
        return f"{claim.value:g}"
    return f"{claim.other} ({claim.other_quantity})" if claim.other_quantity else claim.other


def _positive(number: Mean) -> Judged:
    """The verdict on a number claimed to be larger than zero."""
    if not math.isfinite(number.value):
        return "not measured"
    if number.differs():
        return "reproduced" if number.value > 0 else "reversed"
    return "undecided, same sign" if number.value > 0 else "undecided, opposite sign"


def _shared(claim: Claim, least: float, rows: Sequence[Row]) -> tuple[Mean, float, Judged, str]:
    if claim.comparison == "within":
        told = f"{claim.model} within {claim.value:g} ± {claim.tolerance:g}"
    else:
        told = f"{claim.model} − {_against(claim)} {claim.comparison} 0"

    def holds(difference: float) -> bool:
        if claim.comparison == "within":
            return abs(difference) <= claim.tolerance
        return difference > 0 if claim.comparison == ">" else difference < 0

    number = held(rows, (claim.model, claim.quantity), _other(claim), claim.value or 0.0, holds) - least
    compared = f"share of the seeds with {told}, minus {least:g}, claimed > 0"
    return number, number.p, _positive(number), compared


def _chosen(claim: Claim, rows: Sequence[Row]) -> tuple[Mean, float, Judged, str]:
    sign = 1 if claim.largest else -1
    number, rank = chosen(rows, (claim.model, claim.quantity), claim.chooses, sign)
    which = f"the {'largest' if claim.largest else 'smallest'} {claim.chooses}"
    compared = f"{claim.model} with {which} ({rank or 'too few seeds'}) − the others, claimed {claim.comparison} 0"
    return number, number.p, _positive(number if claim.comparison == ">" else -number), compared


def _within(claim: Claim, rows: Sequence[Row]) -> tuple[Mean, float, Judged, str]:
    number = margin(rows, (claim.model, claim.quantity))
    assert claim.value is not None
    low, high = claim.value - claim.tolerance, claim.value + claim.tolerance
    return number, *_inside(number, low, high), f"{claim.model}, claimed {claim.value:g} ± {claim.tolerance:g}"


def _inside(number: Mean, low: float, high: float) -> tuple[float, Judged]:
    """p-value and verdict of a number claimed to lie in a range: both ends are tested (TOST)."""
    if not math.isfinite(number.value):
        return math.nan, "not measured"
    if low <= number.low and number.high <= high:
        verdict: Judged = "reproduced"
    elif number.high < low or number.low > high:
        verdict = "outside"
    else:
        verdict = "undecided, inside" if low <= number.value <= high else "undecided, outside"
    return max((p for p in ((number - low).p, (number - high).p) if not math.isnan(p)), default=math.nan), verdict


def _ordered(claim: Claim, rows: Sequence[Row]) -> tuple[Mean, float, Judged, str]:
    pairs = list(pairwise(claim.order))
    found = {f"{a} − {b}": margin(rows, (a, claim.quantity), (b, claim.quantity)) for a, b in pairs}
    compared = " > ".join(claim.order)

    def chance(pair: str) -> float:
        """p of a pair without one: certain if all seeds agree, nothing if the two are equal in all of them."""
        number = found[pair]
        return (0.0 if number.value else 1.0) if math.isnan(number.p) else number.p

    missing = [pair for pair, m in found.items() if not math.isfinite(m.value)]
    if missing:
        return found[missing[0]], math.nan, "not measured", f"{compared}; missing: {missing[0]}"
    opposite = [pair for pair, m in found.items() if m.value <= 0]
    if opposite:
        pair = min(opposite, key=chance)
        number, p = found[pair], found[pair].p * len(pairs)
        p = min(1.0, p) if not math.isnan(p) else p
        verdict: Judged = "reversed" if number.differs(0.05 / len(pairs)) else "undecided, opposite sign"
    else:
        pair = max(found, key=chance)
        number, p, verdict = found[pair], found[pair].p, _positive(found[pair])
    return number, p, verdict, compared if len(pairs) == 1 else f"{compared}; decided by {pair}"
