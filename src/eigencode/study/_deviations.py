"""Effect of one departure of the published code on a number: the number with it and without it."""

from collections.abc import Sequence
from dataclasses import dataclass

from eigencode.study._paired import margin
from eigencode.study.config import Study
from eigencode.study.results import Row


@dataclass(frozen=True)
class Effect:
    """A number with and without one departure of the published code, and the difference.

    `published` and `corrected` are means over seeds with and without it, each with its 95 % interval; `difference` is
    published minus corrected, paired over seeds.  NaN where a number is missing.
    """

    data: str
    id: str
    model: str
    quantity: str
    published_model: str
    published_quantity: str
    published: float
    published_low: float
    published_high: float
    corrected: float
    corrected_low: float
    corrected_high: float
    difference: float
    low: float
    high: float
    seeds: int


def effects(study: Study, rows: Sequence[Row]) -> list[Effect]:
    """The effects of all `deviations` of a study, on each of its data sets."""
    found = []
    for data in study.datasets:
        here = [r for r in rows if r.data == data]
        for d in study.deviations:
            on, off = margin(here, d.as_published), margin(here, d.corrected)
            change = margin(here, d.as_published, d.corrected)
            found.append(
                Effect(
                    *(data, d.id, *d.corrected, *d.as_published),
                    *(on.value, on.low, on.high, off.value, off.low, off.high),
                    *(change.value, change.low, change.high),
                    seeds=int(change.seeds),
                )
            )
    return found
