"""Numbers of finished steps: one row per number, mean and interval over seeds, and warnings."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from eigencode.base import strict_json
from eigencode.base.durable import replacing
from eigencode.base.record import Record
from eigencode.rules.convergence import Convergence
from eigencode.study._course import course
from eigencode.study._integrity import signed
from eigencode.study._mean import Mean
from eigencode.study._measurements import headline
from eigencode.study.config import Study
from eigencode.study.plan import Cell
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.store import Store


@dataclass(frozen=True)
class Row:
    """One number with its origin, its interval over images, its convention and its warnings.

    `epoch` and `step`: the epochs and the steps of training after which a snapshot was measured; None for the finished
    network, about which alone are tables, claims and departures.
    `bound`: a value at or beyond it is only known to be at least this (`measures.Reading.bound`); kept if there is one.
    `draws` (`Readable.draws`) is known only in a study of one seed, which needs it to compare networks; it is not kept.
    """

    data: str
    model: str
    seed: int
    quantity: str
    value: float
    low: float
    high: float
    convention: str
    key: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    draws: Tensor | None = field(default=None, repr=False, compare=False)
    epoch: float | None = None
    step: int | None = None
    bound: float = math.nan


@dataclass(frozen=True)
class Summary:
    """One quantity of one model at one moment of its training (as in `Row`), over the `seeds` that have it.

    `spread` is the standard deviation over seeds (NaN for one seed), `low` and `high` the 95 % interval over seeds and
    images, see `study._mean.Mean`; without ends if a seed is missing, NaN if the mean is not finite.
    """

    data: str
    model: str
    quantity: str
    mean: float
    spread: float
    low: float
    high: float
    seeds: int
    convention: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    epoch: float | None = None
    step: int | None = None


def rows(study: Study, cells: Iterable[Cell], store: Store) -> list[Row]:
    """The numbers of all cells, in the order of the study, then those about their course in training.

    A seed that lacks a number, since its step failed or has not run, or its record has none, gets NaN and a warning if
    others have it.
    """
    alone, found, cells = len(study.seeds) == 1, list[Row](), list(cells)
    read = [list(_rows(cell, store, alone)) if store.has(cell.step) else None for cell in cells]
    names = _names((cell, numbers or []) for cell, numbers in zip(cells, read, strict=True))
    courses: dict[tuple[object, ...], tuple[Cell, list[Row] | None]] = {}
    for cell, numbers in zip(cells, read, strict=True):
        found += _completed(cell, numbers or [], names, cell.epoch, cell.at_step)
        if cell.epoch is not None:
            key = (cell.data, cell.model, cell.seed, cell.kind, cell.name)
            first, before = courses.get(key, (cell, []))
            courses[key] = first, None if numbers is None or before is None else before + numbers
    told = [(cell, [_of_course(*n) for n in course(rows)] if rows else []) for cell, rows in courses.values()]
    names = _names((replace(cell, epoch=None), numbers) for cell, numbers in told)
    return found + [row for cell, numbers in told for row in _completed(cell, numbers, names)]


def _names(found: Iterable[tuple[Cell, list[Row]]]) -> dict[tuple[object, ...], dict[str, None]]:
    """The names of the numbers that any seed has of a measurement, by what it is of and the epoch."""
    names: dict[tuple[object, ...], dict[str, None]] = {}
    for cell, numbers in found:
        known = names.setdefault((cell.data, cell.model, cell.kind, cell.name, cell.epoch), {})
        known.update(dict.fromkeys(row.quantity for row in numbers))
    return names


def _completed(
    cell: Cell,
    numbers: list[Row],
    names: dict[tuple[object, ...], dict[str, None]],
    epoch: float | None = None,
    step: int | None = None,
) -> list[Row]:
    """The numbers of a cell, and NaN for those that only other seeds have."""
    own, nothing = {row.quantity for row in numbers}, (math.nan, math.nan, math.nan, "", cell.step.key)
    lost = [n for n in names[cell.data, cell.model, cell.kind, cell.name, epoch] if n not in own]
    said = (f"seed {cell.seed} was not measured",)
    return numbers + [
        Row(cell.data, cell.model, cell.seed, name, *nothing, said, epoch=epoch, step=step) for name in lost
    ]


def _of_course(row: Row, name: str, value: float, convention: str, said: tuple[str, ...]) -> Row:
    """A number about the course of a quantity; it has no interval over images."""
    end = replace(row, low=math.nan, high=math.nan, notes=(), draws=None, epoch=None, step=None, bound=math.nan)
    warned = tuple(dict.fromkeys([*row.warnings, *said]))
    return replace(end, quantity=name, value=value, convention=convention, warnings=warned)


def _rows(cell: Cell, store: Store, alone: bool) -> Iterable[Row]:
    own = [] if cell.step is cell.network else store.meta(cell.step)["warnings"]
    record = cell.measure.record.load(store.folder(cell.step) / cell.part)
    return numbers(cell, record, [*own, *_inherited(cell, store)], alone)


def numbers(cell: Cell, record: Record, beside: Iterable[str] = (), alone: bool = False) -> Iterable[Row]:
    """The numbers of a record, under their full names, with the warnings of the measure and those `beside` it.

    `alone`: of the only seed.
    """
    for n in cell.measure.readings(record):
        name = cell.measure.quantity(cell.name, n.what)
        said = tuple(dict.fromkeys([*(w.replace("{name}", name) for w in n.warnings), *beside]))
        found = (cell.data, cell.model, cell.seed, name, n.value, n.low, n.high, n.convention + cell.note)
        draws = cell.measure.draws(record, n.what) if alone and math.isfinite(n.value) else None
        yield Row(*found, cell.step.key, said, n.notes, draws, cell.epoch, cell.at_step, n.bound)


def summarise(found: Iterable[Row]) -> list[Summary]:
    """Mean, standard deviation over seeds and 95 % interval of every (data, model, quantity, epoch)."""
    groups: dict[tuple[str, str, str, float | None], list[Row]] = {}
    for row in found:
        groups.setdefault((row.data, row.model, row.quantity, row.epoch), []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(group: list[Row]) -> Summary:
    """The summary of the seeds that have the number, or of all if none has."""
    known = [r for r in group if not math.isnan(r.value)] or group
    values, finite = [r.value for r in known], all(math.isfinite(r.value) for r in known)
    mean = Mean.of(values, [r.low for r in known], [r.high for r in known]) if finite else None
    low, high = (math.nan, math.nan) if mean is None else (mean.low, mean.high)
    first = group[0]
    return Summary(
        *(first.data, first.model, first.quantity),
        mean=statistics.fmean(values),
        spread=statistics.stdev(values) if len(values) > 1 and finite else math.nan,
        low=low if len(known) == len(group) else -math.inf,
        high=high if len(known) == len(group) else math.inf,
        seeds=len(known),
        convention=known[0].convention,
        warnings=tuple(dict.fromkeys(w for row in group for w in row.warnings)),
        notes=tuple(dict.fromkeys(n for row in group for n in row.notes)),
        epoch=first.epoch,
        step=first.step,
    )


def write(folder: Path, study: Study, cells: list[Cell], found: list[Row], more: dict[str, Any]) -> Path:
    """Write `results.json`: the study, every number, the summary, the keys of all results and their provenance.

    Its digest, `sha256`, is checked when the file is read.  Strict JSON: a number that does not exist (no spread over
    one seed) is null, an infinite one (a median that more than half of the images outlived) the string "Infinity".
    """
    whole = content(study.model_dump(mode="json"), headline(study), [where(cell) for cell in cells], found, more)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    with replacing(path) as part:
        part.write_text(strict_json.dumps(signed(whole)) + "\n", encoding="utf-8")
    return path


def content(
    study: dict[str, Any], shown: list[str], cells: list[dict[str, Any]], found: list[Row], more: dict[str, Any]
) -> dict[str, Any]:
    """The content of `results.json` as a dictionary."""
    numbers = {"rows": [kept(r) for r in found], "summary": [asdict(s) for s in summarise(found)]}
    return {"study": study, "headline": shown, "cells": cells, **numbers, **more}


def kept(row: Row) -> dict[str, Any]:
    """A row as kept in `results.json`."""
    left_out = {"draws", *(["bound"] if math.isnan(row.bound) else [])}
    return {f.name: getattr(row, f.name) for f in fields(row) if f.name not in left_out}


def where(cell: Cell) -> dict[str, Any]:
    """Labels and key of a cell, the settings with which numbers are read, and the keys of its network's steps."""
    names = ("data", "model", "seed", "kind", "quantity", "part")
    read = {name: getattr(cell.measure, name) for name in getattr(cell.measure, "reading_only", ())}
    found = {n: getattr(cell, n) for n in names}
    moment = {"epoch": cell.epoch, "step": cell.at_step}
    return {**found, **moment, "read": read, "key": cell.step.key, "network": [s.key for s in cell.made_by()]}


def _inherited(cell: Cell, store: Store) -> Iterable[str]:
    """Warnings that a measurement inherits from the training of its network, such as a layer that has not converged.

    That of a snapshot has not, and need not.
    """
    for step in cell.made_by():
        if store.has(step):
            if isinstance(step, LocallyTrained):
                yield from () if cell.epoch is not None else Convergence.load(store.folder(step) / "convergence").doubts
            else:
                yield from store.meta(step)["warnings"]
