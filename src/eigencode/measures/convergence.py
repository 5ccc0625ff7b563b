"""Convergence of a locally trained layer: shares of converged and of winning units, and their median norm."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from eigencode.base.record import Record
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.models.local_network import convergence
from eigencode.rules.convergence import Convergence


@dataclass(frozen=True)
class ConvergenceMeasure(Measure):
    """Shares of units of a locally trained layer that converged, and that won an image, and their median norm."""

    kind: ClassVar[str] = "convergence"
    record: ClassVar[type[Record]] = Convergence
    stage: ClassVar[str] = "local"
    joint: ClassVar[str] = " "

    def label(self) -> str:
        return "units"

    def title(self, name: str) -> str:
        return self.quantity(name, "converged")

    def names(self) -> tuple[str, ...]:
        return "converged", "winning", "median norm"

    def measure(self, subject: Subject) -> Convergence:
        return convergence(subject.network)

    def readings(self, record: Convergence) -> Iterator[Reading]:
        count = len(record.norm)
        told = f"share of {count} units with {record.criterion or 'the criterion of their rule met'}, before pruning"
        yield Reading("converged", record.fraction, convention=told)
        if bool((record.wins >= 0).all()):
            told = f"share of {count} units that win an image in the last epoch, inside one since that before began"
            yield Reading("winning", 1 - record.never_won / count, convention=told)
        yield Reading("median norm", float(record.norm.median()), convention=f"‖W‖_{record.p:g} of {count} units")
