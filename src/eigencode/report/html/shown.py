"""What one page shows: one run or several, and the names that stand in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from eigencode.base.record import Record
from eigencode.base.text import printable
from eigencode.report.run import StudyRun

R = TypeVar("R", bound=Record)

LONGEST = 60
"""Characters of a name in a figure; the tables show more."""

DATA_ITSELF = "data"
"""The row of the data's own spectrum."""


@dataclass(frozen=True)
class Place:
    """One model on one data set in one run, by number: names may be anything, numbers are only numbers."""

    run: StudyRun
    data_name: str
    model_name: str
    where: tuple[int, int, int]

    def load(self, record: type[R], quantity: str) -> list[R]:
        """Its records of one quantity, one per seed."""
        return self.run.load(record, data=self.data_name, model=self.model_name, quantity=quantity)

    def entry(self, quantity: int | None = None) -> dict[str, Any]:
        """How the page names this place, and a quantity measured there."""
        named = dict(zip(("run", "data", "model"), self.where, strict=True))
        return named if quantity is None else {**named, "quantity": quantity}


@dataclass(frozen=True)
class Shown:
    """The runs of a page, in the order they were given."""

    runs: Sequence[StudyRun]

    @cached_property
    def data(self) -> list[str]:
        """Data sets of all runs."""
        return _once(d for run in self.runs for d in run.datasets)

    @cached_property
    def models(self) -> list[str]:
        """Models of all runs; a model of the same name has the same colour in each.  The data themselves come last."""
        cells = any(c["model"] == DATA_ITSELF for run in self.runs for c in run.results["cells"])
        return [*_once(m for run in self.runs for m in run.models), *([DATA_ITSELF] if cells else [])]

    @cached_property
    def quantities(self) -> list[str]:
        """Everything measured in any run."""
        return _once(c["quantity"] for run in self.runs for c in run.results["cells"])

    @cached_property
    def labels(self) -> list[str]:
        """A name per run: the study's, numbered where two are the same."""
        names = [str(run.results["study"]["name"]) for run in self.runs]
        return [n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)]

    def places(self) -> Iterator[Place]:
        """Every model on every data set of every run."""
        for r, run in enumerate(self.runs):
            for data in run.datasets:
                for model in (*run.models, DATA_ITSELF):
                    if model in self.models:
                        where = (r, self.data.index(data), self.models.index(model))
                        yield Place(run, data, model, where)

    def found(self, kind: str, record: type[R]) -> Iterator[tuple[Place, str, list[R]]]:
        """Every place and quantity of a kind that has records."""
        for place in self.places():
            for quantity in place.run.quantities(kind):
                records = place.load(record, quantity)
                if records:
                    yield place, quantity, records

    def cells(self, kind: str) -> int:
        """How many results of a kind there are."""
        return sum(c["kind"] == kind for run in self.runs for c in run.results["cells"])


def short_names(names: Iterable[str]) -> list[str]:
    """Names as a figure shows them."""
    return [printable(name, LONGEST) for name in names]


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
