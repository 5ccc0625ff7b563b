"""The runs of a report, and their models with the look that each has in every figure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from eigencode.base.record import Record
from eigencode.report._results import finished
from eigencode.report.run import StudyRun
from eigencode.study._measurements import DATA_ITSELF

R = TypeVar("R", bound=Record)
T = TypeVar("T")

PALETTE = ("#8C8C8C", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#A6761D")
"""Colour-blind safe palette after Okabe and Ito (2008), with a brown for their yellow, too light for a line."""

MODELS = (*PALETTE, *(f"#{''.join(f'{round(0.55 * int(c[i : i + 2], 16)):02X}' for i in (1, 3, 5))}" for c in PALETTE))
"""Colours of models: the palette, then each of its colours darkened to 55 %."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def marker_of(model: int) -> str:
    """The marker of a model: another one where the colours of `MODELS` begin anew."""
    return MARKERS[(model + model // len(MODELS)) % len(MARKERS)]


DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (9, 2)), (0, (9, 2, 1, 2, 1, 2)))
"""Line styles of runs."""

INK = "#000000"


@dataclass(frozen=True)
class Series:
    """One model of one run on one data set; `where` are the indices of model and run."""

    run: StudyRun
    data: str
    model: str
    label: str
    where: tuple[int, int]
    colour: str
    marker: str
    dash: Any

    def load(self, record: type[R], **wanted: object) -> list[R]:
        """Load the records of the cells with these fields, one per seed."""
        return self.run.load(record, data=self.data, model=self.model, **wanted)

    def numbers(self, quantity: str, table: str = "rows", snapshots: bool = False) -> list[dict[str, Any]]:
        """Entries of a table of results.json ("rows" or "summary") about a quantity of this model: of its finished
        networks, or of the snapshots of their training, by rising step."""
        return self.run.numbers.get((table, snapshots, self.data, self.model, quantity), [])


@dataclass(frozen=True)
class View:
    """The runs of a report, in the given order."""

    runs: Sequence[StudyRun]

    @cached_property
    def data(self) -> list[str]:
        """Names of the data sets of all runs."""
        return _unique(d for run in self.runs for d in run.datasets)

    @cached_property
    def models(self) -> list[str]:
        """Names of the models of all runs, without duplicates; the data themselves come last."""
        measured = any(c["model"] == DATA_ITSELF for run in self.runs for c in run.results["cells"])
        return [*_unique(m for run in self.runs for m in run.models), *([DATA_ITSELF] if measured else [])]

    @cached_property
    def labels(self) -> list[str]:
        """Names of the runs: those of their studies, numbered if equal."""
        names = [str(run.results["study"]["name"]) for run in self.runs]
        return [n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)]

    def quantities(self, kind: str, data: str) -> list[str]:
        """Names of the measurements of one kind on one data set."""
        cells = (c for run in self.runs for c in finished(run.results["cells"]))
        return _unique(c["quantity"] for c in cells if (c["kind"], c["data"]) == (kind, data))

    def each(self, kind: str, data: str, of: Callable[[str], list[T]]) -> dict[str, list[T]]:
        """What `of` finds for the measurements of one kind on one data set, by name, where it finds anything."""
        return {name: found for name in self.quantities(kind, data) if (found := of(name))}

    def series(self, data: str) -> Iterator[Series]:
        """All models of all runs on a data set, the data themselves first of each run."""
        for r, (run, label) in enumerate(zip(self.runs, self.labels, strict=True)):
            for model in (DATA_ITSELF, *run.models) if data in run.datasets else ():
                if model in self.models:
                    m = self.models.index(model)
                    name = model if len(self.runs) == 1 else f"{model} · {label}"
                    itself = model == DATA_ITSELF and m == len(self.models) - 1
                    look = (INK, "") if itself else (MODELS[m % len(MODELS)], marker_of(m))
                    yield Series(run, data, model, name, (m, r), *look, DASHES[r % len(DASHES)])

    def found(self, data: str, record: type[R], **wanted: object) -> list[tuple[Series, list[R]]]:
        """The models with records of these fields, and the records, one per seed."""
        return [(s, records) for s in self.series(data) if (records := s.load(record, **wanted))]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
