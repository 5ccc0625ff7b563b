"""Accuracy against the size of a perturbation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.base.types import Space
from eigencode.measures.protocol import Count, Measure, Range, Reading, Some, Subject, logarithmic
from eigencode.robustness.curve import Curve, curve
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class CurveMeasure(Measure):
    """Accuracy under attack at `points` logarithmically spaced eps from `eps[0]` to `eps[1]`; see `robustness.curve`.

    Args:
        read: eps of the grid whose accuracy is also reported as a number, "NAME, at EPS".
        exhaustive: attack every image at every eps, even if a smaller eps already succeeded.
    """

    attack: Perturbation | MinimumNorm
    space: Space = "unit"
    images: Some = None
    eps: Range = (1e-6, 10**-1.5)
    points: Count = 100
    exhaustive: bool = False
    read: tuple[Annotated[float, Field(gt=0)], ...] = ()
    kind: ClassVar[str] = "curve"
    record: ClassVar[type[Record]] = Curve
    reading_only: ClassVar[tuple[str, ...]] = ("read",)

    def __post_init__(self) -> None:
        low, high = self.eps
        for value in self.read:
            step = (self.points - 1) * math.log(value / low) / math.log(high / low)
            if not (-0.5 < step < self.points - 0.5 and abs(step - round(step)) < 1e-3):
                steps = f"the {self.points} logarithmic steps from {low:g} to {high:g}"
                raise InputError(f"{value:g} is not one of {steps}")

    def label(self) -> str:
        return f"accuracy, {type(self.attack).__name__}"

    def names(self) -> tuple[str, ...]:
        return tuple(f"at {eps:g}" for eps in self.read)

    def measure(self, subject: Subject) -> Curve:
        return curve(
            subject.network,
            attack=self.attack,
            eps=logarithmic(self.eps, self.points),
            space=self.space,
            exhaustive=self.exhaustive,
            **subject.attacked(self.images),
        )

    def readings(self, record: Curve) -> Iterator[Reading]:
        for eps in self.read:
            i = int((record.eps.log() - math.log(eps)).abs().argmin())
            value, low, high = (float(s[i]) for s in (record.accuracy, record.accuracy_low, record.accuracy_high))
            told = f"share of {record.n} test images still right at eps = {eps:g} of {record.attack}"
            yield Reading(f"at {eps:g}", value, low, high, f"{told}, {record.space} space", record.masking.flags)
