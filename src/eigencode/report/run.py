"""Results of a finished study: results.json, and the stored records of its cells."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.reading import reading
from eigencode.base.record import Record
from eigencode.report._results import finished, frame, results
from eigencode.study._integrity import damage, described, refuse
from eigencode.study._measurements import DATA_ITSELF
from eigencode.study.store import Store

if TYPE_CHECKING:
    import pandas

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class StudyRun:
    """Results of a study: `folder` holds results.json, `store` the steps."""

    folder: Path
    store: Path

    @classmethod
    def found(cls, folder: Path, store: Path | None = None) -> "StudyRun":
        """Open a finished run; its store is by default the folder itself if it holds steps, else the one whose reports
        folder contains it.

        Raises:
            InputError: no results.json, or a store with none of its steps.
            DamagedError: results.json, or a stored result, is not what was written.
        """
        usual = folder if (folder / "steps").is_dir() else folder.resolve().parent.parent
        run = cls(folder, usual if store is None else store)
        refuse({k: why for k in run.keys if (why := damage(run.store / "steps" / k))})
        if not run.cells():
            raise InputError(
                "the store has none of the steps of this study", got=run.store, fix="--store FOLDER, as in the run"
            )
        return run

    @cached_property
    def results(self) -> dict[str, Any]:
        """Content of results.json, with floats for null and "Infinity"."""
        path = self.folder / "results.json"
        if not path.is_file():
            raise InputError(
                "no results here",
                got=self.folder,
                wanted="the name of a study that ran, or a folder with results.json",
                fix="eigencode run STUDY",
            )
        return results(path)

    @cached_property
    def numbers(self) -> dict[tuple[str, bool, str, str, str], list[dict[str, Any]]]:
        """Entries by rising step, for each table ("rows" or "summary"), snapshots or not, data set, model, quantity."""
        found: dict[tuple[str, bool, str, str, str], list[dict[str, Any]]] = {}
        for table in ("rows", "summary"):
            for e in sorted(self.results[table], key=lambda e: int(e["step"] or 0)):
                key = (table, e["epoch"] is not None, e["data"], e["model"], e["quantity"])
                found.setdefault(key, []).append(e)
        return found

    def to_frame(self) -> "pandas.DataFrame":
        """Convert the summary to a `pandas.DataFrame`: a row per data set, model, quantity and moment of training, with
        `mean`, the 95 % interval `low`, `high`, and convention."""
        return frame(self.results)

    @property
    def models(self) -> list[str]:
        """Labels of the models, in the order of the study, and of populations with a known spectrum."""
        measured = (c["model"] for c in self.results["cells"] if c["model"] != DATA_ITSELF)
        return list(dict.fromkeys([*self.results["study"]["models"], *measured]))

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in the order of the study."""
        return list(dict.fromkeys(c["data"] for c in self.results["cells"]))

    def cells(self, **wanted: object) -> list[dict[str, Any]]:
        """Measured cells with these values of their fields, by default of the finished networks (`epoch=None`)."""
        wanted = {"epoch": None, **wanted}
        chosen = [c for c in self.results["cells"] if all(c[k] == v for k, v in wanted.items())]
        return [c for c in chosen if self.step(c["key"]).is_dir()]

    @cached_property
    def steps(self) -> Store:
        """The store, for its results."""
        return Store(self.store)

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the steps that made the records and networks of this study."""
        return sorted({key for c in self.results["cells"] for key in (c["key"], *c["network"])})

    def quantities(self, kind: str) -> list[str]:
        """Names of the measurements of one kind, in the order of the study."""
        return list(dict.fromkeys(c["quantity"] for c in finished(self.results["cells"]) if c["kind"] == kind))

    def load(self, record: type[R], **wanted: object) -> list[R]:
        """Load the records of all finished cells with these fields, one per seed.

        Raises:
            InputError: a record of another version.
        """
        return [self.read(record, self.step(c["key"]) / c["part"]) for c in self.cells(**wanted)]

    @staticmethod
    def read(record: type[R], folder: Path) -> R:
        """Load a record from a folder of the store; a store of older versions has no checksums.

        Raises:
            InputError: a damaged record, or one of another version.
        """
        with reading(f"{folder}: this result cannot be read", fix="eigencode run again", error=InputError):
            return record.load(folder)

    @property
    def fits(self) -> dict[str, dict[str, Any]]:
        """Window and weights of the power law of each spectrum, and of the spectra by width, by name."""
        return {
            c["quantity"]: c["read"] for c in finished(self.results["cells"]) if c["kind"] in ("spectrum", "widths")
        }

    def times(self) -> list[tuple[str, int, float]]:
        """Name, number and computing time of the finished steps of this study, longest first."""
        total: dict[str, list[float]] = {}
        for key in self.keys:
            if (found := described(self.store / "steps" / key)) is not None:
                total.setdefault(key.rpartition("-")[0], []).append(found.get("seconds", 0.0))
        return sorted(((n, len(s), sum(s)) for n, s in total.items()), key=lambda t: -t[2])

    def step(self, key: str) -> Path:
        """Folder of a step, which may not exist.

        Raises:
            DamagedError: the result in it is not what was written.
        """
        return self.steps.checked(key)

    def locally_trained(self, data: str, model: str, epoch: float | None = None) -> list[Path]:
        """Folders of the local training of a model, one per seed; empty for other models."""
        return self.made_by(data, model, "local", epoch)

    def made_by(self, data: str, model: str, step: str, epoch: float | None = None) -> list[Path]:
        """Folders of the steps of this name for the networks of a model, or for snapshots, in order of the seeds."""
        chains = [key for c in self.cells(data=data, model=model, epoch=epoch) for key in c["network"]]
        keys = dict.fromkeys(key for key in chains if key.startswith(f"{step}-"))
        return [self.step(key) for key in keys if self.step(key).is_dir()]


def arrays(folder: Path) -> dict[str, Tensor]:
    """Load the arrays of a network or record, by name."""
    from safetensors.torch import load_file

    found: dict[str, Tensor] = load_file(str(next(iter(sorted(folder.glob("*.safetensors"))))))
    return found
