"""The runs shown on a page, and the names of their models, data sets and quantities."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from eigencode.base.record import Record
from eigencode.base.text import printable
from eigencode.report.run import StudyRun

R = TypeVar("R", bound=Record)

LONGEST = 60
"""Longest name in a figure, in characters."""

DATA_ITSELF = "data"
"""Model name of spectra of the data themselves."""


@dataclass(frozen=True)
class ModelOnData:
    """One model on one data set in one run; `where` are their indices, which need no escaping on the page."""

    run: StudyRun
    data_name: str
    model_name: str
    where: tuple[int, int, int]

    def load(self, record: type[R], quantity: str) -> list[R]:
        """Load the records of one quantity, one per seed."""
        return self.run.load(record, data=self.data_name, model=self.model_name, quantity=quantity)

    def entry(self, quantity: int | None = None) -> dict[str, Any]:
        """Indices of run, data set, model and, optionally, quantity, for the data of a figure."""
        named = dict(zip(("run", "data", "model"), self.where, strict=True))
        return named if quantity is None else {**named, "quantity": quantity}


@dataclass(frozen=True)
class Shown:
    """The runs of a page, in the given order."""

    runs: Sequence[StudyRun]

    @cached_property
    def data(self) -> list[str]:
        """Names of the data sets of all runs."""
        return _unique(d for run in self.runs for d in run.datasets)

    @cached_property
    def models(self) -> list[str]:
        """Names of the models of all runs, without duplicates; the data themselves come last."""
        cells = any(c["model"] == DATA_ITSELF for run in self.runs for c in run.results["cells"])
        return [*_unique(m for run in self.runs for m in run.models), *([DATA_ITSELF] if cells else [])]

    @cached_property
    def quantities(self) -> list[str]:
        """Names of the measurements of all runs."""
        return _unique(c["quantity"] for run in self.runs for c in run.results["cells"])

    @cached_property
    def labels(self) -> list[str]:
        """Names of the runs: those of their studies, numbered if equal."""
        names = [str(run.results["study"]["name"]) for run in self.runs]
        return [n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)]

    def combinations(self) -> Iterator[ModelOnData]:
        """Iterate over all models, data sets and runs."""
        for r, run in enumerate(self.runs):
            for data in run.datasets:
                for model in (*run.models, DATA_ITSELF):
                    if model in self.models:
                        where = (r, self.data.index(data), self.models.index(model))
                        yield ModelOnData(run, data, model, where)

    def found(self, kind: str, record: type[R]) -> Iterator[tuple[ModelOnData, str, list[R]]]:
        """Yield (model, quantity, records) for all measurements of one kind."""
        for item in self.combinations():
            for quantity in item.run.quantities(kind):
                records = item.load(record, quantity)
                if records:
                    yield item, quantity, records

    def cells(self, kind: str) -> int:
        """Number of results of one kind of measurement."""
        return sum(c["kind"] == kind for run in self.runs for c in run.results["cells"])


def short_names(names: Iterable[str]) -> list[str]:
    """Escape and shorten names for figures."""
    return [printable(name, LONGEST) for name in names]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
