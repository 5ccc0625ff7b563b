"""Results of `probe` and `recorded`: their records, with the numbers, table, figures and files of a study."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from rich.console import Console
from torch import Tensor

from eigencode.base import strict_json
from eigencode.base.durable import replacing
from eigencode.base.errors import InputError
from eigencode.base.record import Record
from eigencode.geometry.jacobian import JacobianNorm
from eigencode.measures.accuracy import Accuracy
from eigencode.measures.protocol import Readable
from eigencode.report._results import frame
from eigencode.report._table import show
from eigencode.report.build import build
from eigencode.report.run import StudyRun
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.robustness.masking import Masking
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum
from eigencode.study._catalogue import find
from eigencode.study._integrity import META, sealed, signed
from eigencode.study._provenance import provenance
from eigencode.study.plan import Cell
from eigencode.study.results import Row, content, numbers, where
from eigencode.study.step import Inputs, Step

if TYPE_CHECKING:
    import pandas

G = TypeVar("G", bound="Given")
R = TypeVar("R", bound=Record)

LISTED = {"spectrum": ("eigenvalues",), "curve": ("eps", "accuracy", "accuracy_low", "accuracy_high")}
"""Arrays of records, by kind, that are also written to the JSON."""


@dataclass(frozen=True)
class PlaceholderStep(Step):
    """Placeholder for a study step, for a record that was not made by one; its key is the folder of the record."""

    label: str

    @cached_property
    def key(self) -> str:
        """Name of the folder of the record."""
        return self.label

    def run(self, folder: Path, inputs: Inputs) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Measurement:
    """A record with the name of the measurement, the measure that reads numbers from it, and warnings for all of them.

    `kind` replaces that of the measure ("shuffled"); such a record is stored, but its numbers are not in the table.
    """

    name: str
    measure: Readable
    record: Record
    warnings: Sequence[str] = ()
    kind: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Given:
    """Measurements of one network or one recording; can be printed, saved, and written as JSON.

    Attributes:
        results: content of results.json, as written by a study: `headline`, `cells`, `rows`, `summary`, and `notes`.
        records: the record of every cell, by the key of the cell.
    """

    results: dict[str, Any]
    records: dict[str, Record]

    @classmethod
    def of(
        cls: type[G],
        study: dict[str, Any],
        data: str,
        model: str,
        taken: Sequence[Measurement],
        headline: list[str],
        **more: Any,
    ) -> G:
        """Build the results from measurements, in the order of `taken`.

        Args:
            study: settings, for results.json.
            data, model: names of the images (or the file) and of the network (or the array).
            taken: the measurements.
            headline: quantities to show in the table.
            more: further entries of results.json.
        """
        seed, cells = study["seeds"][0], []
        rows: list[Row] = []
        for i, one in enumerate(taken):
            kind, step = one.kind or one.measure.kind, PlaceholderStep(f"{one.kind or one.measure.kind}-{i}")
            cell = Cell(data, model, seed, kind, one.measure.title(one.name), step, one.name, one.measure)
            arrays = {name: getattr(one.record, name).tolist() for name in LISTED.get(kind, ())}
            cells.append({**where(cell), "record": {**one.record.scalars(), **arrays}})
            rows += [] if one.kind else numbers(cell, one.record, one.warnings)
        whole = {"models": {model: {}}, "receptive_fields": 0, "data": data, **study}
        empty = {"claims": [], "deviations": [], "notes": [], "provenance": provenance()}
        found = content(whole, headline, cells, rows, {**empty, **more})
        return cls(found, {c["key"]: t.record for c, t in zip(cells, taken, strict=True)})

    @classmethod
    def found(cls: type[G], folder: Path | str) -> G:
        """Load a result written by `save`.

        Raises:
            InputError: the folder holds no such result.
        """
        run = StudyRun(Path(folder), Path(folder))
        kinds = {c["key"]: c["kind"].replace("shuffled", "spectrum") for c in run.cells()}
        held = {key: find("measures", kind).record.load(run.step(key)) for key, kind in kinds.items()}  # type: ignore[attr-defined]
        return cls(run.results, held)

    def save(self, folder: Path | str) -> Path:
        """Write results.json, records, figures (PDF, PNG, SVG) and a page into a folder; return the page's path."""
        folder = Path(folder)
        for key, record in self.records.items():
            part = folder / "steps" / key
            part.mkdir(parents=True, exist_ok=True)
            record.save(part)
            (part / META).write_text(strict_json.dumps(sealed(part, key, {})) + "\n", encoding="utf-8")
        with replacing(folder / "results.json") as path:
            path.write_text(strict_json.dumps(signed(self.results)) + "\n", encoding="utf-8")
        return build(StudyRun(folder, folder))

    def json(self) -> str:
        """The results as strict JSON text: null for NaN, "Infinity" for an infinite number."""
        return strict_json.dumps(self.results)

    def to_frame(self) -> "pandas.DataFrame":
        """Convert to a `pandas.DataFrame`: a row per quantity, with `mean`, the 95 % interval `low`, `high`, convention
        and warnings."""
        return frame(self.results)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the preparation of the network or the responses, shown below the table."""
        return tuple(self.results["notes"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings about the numbers."""
        return tuple(dict.fromkeys(w for entry in self.results["summary"] for w in entry["warnings"]))

    @property
    def spectrum(self) -> Spectrum:
        """Covariance spectrum, or cvPCA of a recording."""
        return self._of("spectrum", Spectrum)[0]

    @cached_property
    def law(self) -> PowerLaw | None:
        """Power law over the window used in the table; None if it cannot be fitted."""
        read = next(c["read"] for c in self.results["cells"] if c["kind"] == "spectrum")
        try:
            return self.spectrum.power_law(tuple(read["window"]), read["weights"])
        except InputError:
            return None

    def _of(self, kind: str, record: type[R]) -> list[R]:
        """Records of one kind."""
        kept = [self.records[c["key"]] for c in self.results["cells"] if c["kind"] == kind]
        return [found for found in kept if isinstance(found, record)]

    def show(self, console: Console) -> None:
        """Print the table, notes and warnings."""
        show(self.results, console)

    def __str__(self) -> str:
        out = io.StringIO()
        self.show(Console(file=out, width=10_000))
        return out.getvalue()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        out = Console(file=io.StringIO(), record=True, width=200)
        self.show(out)
        return out.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


class Probe(Given):
    """Spectrum, Jacobian norm and robustness of one network on one data set, all in pixel space."""

    @property
    def accuracy(self) -> Accuracy:
        """Accuracy on all images, with 95 % Wilson interval."""
        return self._of("accuracy", Accuracy)[0]

    @property
    def jacobian(self) -> JacobianNorm:
        """Jacobian norm ‖∂z/∂x‖_F of the representation, on the images `index`."""
        return self._of("jacobian", JacobianNorm)[0]

    @property
    def critical(self) -> dict[str, CriticalSizes]:
        """Critical sizes by attack, for the images `index` that are classified correctly."""
        return dict(zip(self._attacks("critical"), self._of("critical", CriticalSizes), strict=True))

    @property
    def curves(self) -> dict[str, Curve]:
        """Accuracy against ε by attack, for the images `index`."""
        return dict(zip(self._attacks("curve"), self._of("curve", Curve), strict=True))

    @property
    def masking(self) -> Masking:
        """Results of the checks for masked gradients."""
        return next((sizes.masking for sizes in self.critical.values()), Masking())

    @property
    def index(self) -> Tensor:
        """Indices within the data set of the images drawn for Jacobian and attacks."""
        return torch.tensor(self.results["images"])

    def _attacks(self, kind: str) -> list[str]:
        """Names of the attacks, from quantities such as "critical size, FGSM"."""
        return [c["quantity"].partition(", ")[2] for c in self.results["cells"] if c["kind"] == kind]
