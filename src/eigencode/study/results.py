"""From finished steps to the numbers of a table: one row per cell, mean and spread over seeds, warnings beside."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eigencode.base import strict_json
from eigencode.base.errors import InputError
from eigencode.models.convergence import Convergence, doubts
from eigencode.robustness.critical import CriticalSizes
from eigencode.spectra.spectrum import Spectrum
from eigencode.study.config import Study
from eigencode.study.plan import ACCURACY, COVERAGE, NO_NUMBER, Cell, critical_name, spectrum_name
from eigencode.study.steps.calibration import Calibration
from eigencode.study.steps.measures import Accuracy
from eigencode.study.steps.networks import LocallyTrained
from eigencode.study.store import Store


@dataclass(frozen=True)
class Row:
    """One number: where it comes from, its interval over images, and what it means."""

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


@dataclass(frozen=True)
class Summary:
    """One quantity of one model over seeds: mean and sample standard deviation (NaN for one seed)."""

    data: str
    model: str
    quantity: str
    mean: float
    spread: float
    seeds: int
    convention: str
    warnings: tuple[str, ...]


def rows(study: Study, cells: Iterable[Cell], store: Store) -> list[Row]:
    """The numbers of all finished cells, in the order of the study."""
    finished = (cell for cell in cells if cell.kind not in NO_NUMBER and store.has(cell.step))
    return [row for cell in finished for row in _rows(study, cell, store)]


def _rows(study: Study, cell: Cell, store: Store) -> Iterable[Row]:
    beside = [*store.meta(cell.step)["warnings"], *_inherited(cell, store)]
    for n in _numbers(study, cell, store.folder(cell.step)):
        warnings = tuple(dict.fromkeys([*n.warnings, *beside]))
        where = (cell.data, cell.model, cell.seed, n.quantity)
        yield Row(*where, n.value, n.low, n.high, n.convention, cell.step.key, warnings)


def summarise(found: Iterable[Row]) -> list[Summary]:
    """Mean ± standard deviation over seeds of every (data, model, quantity)."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in found:
        groups.setdefault((row.data, row.model, row.quantity), []).append(row)
    return [
        Summary(
            *key,
            mean=statistics.fmean(values),
            spread=statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else math.nan,
            seeds=len(values),
            convention=group[0].convention,
            warnings=tuple(dict.fromkeys(w for row in group for w in row.warnings)),
        )
        for key, group in groups.items()
        if (values := [row.value for row in group])
    ]


def write(folder: Path, study: Study, cells: list[Cell], found: list[Row], more: dict[str, Any]) -> Path:
    """`results.json`: the study as it was run, every number, the summary, where each result lies, how it was made.

    Strict JSON: a number that does not exist (no spread over one seed) is null, an infinite one (a median that more
    than half of the images outlived) the string "Infinity".
    """
    content = {
        "study": study.model_dump(mode="json"),
        "headline": headline(study),
        "cells": [_where(cell) for cell in cells],
        "rows": [asdict(r) for r in found],
        "summary": [asdict(s) for s in summarise(found)],
        **more,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    part = folder / "results.json.part"
    part.write_text(strict_json.dumps(content) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _where(cell: Cell) -> dict[str, Any]:
    """Where the results behind a cell lie: its own key, and those of the steps that made its network, last first."""
    names = ("data", "model", "seed", "kind", "quantity")
    return {**{n: getattr(cell, n) for n in names}, "key": cell.step.key, "network": [s.key for s in cell.made_by()]}


@dataclass(frozen=True)
class _Number:
    quantity: str
    value: float
    low: float
    high: float
    convention: str
    warnings: tuple[str, ...] = ()


def _numbers(study: Study, cell: Cell, folder: Path) -> list[_Number]:
    if cell.kind == "accuracy":
        accuracy = Accuracy.load(folder)
        convention = f"share of {accuracy.n} test images"
        return [_Number(cell.quantity, accuracy.value, accuracy.low, accuracy.high, convention)]
    if cell.kind == "spectrum":
        return [_alpha(study, cell, folder)]
    if cell.kind == "calibration":
        return _calibrated(Calibration.load(folder))
    sizes = CriticalSizes.load(folder)
    median = sizes.median
    censored = int(sizes.censored.sum())
    said = (f"{censored} of {sizes.n_correct} images were never broken",) if censored else ()
    return [_Number(cell.quantity, median.value, *median.interval, f"median L2, {sizes.space} space", said)]


def _alpha(study: Study, cell: Cell, folder: Path) -> _Number:
    """The fit the study asks for; NaN with the reason where this spectrum has no such fit."""
    measure = next(s for s in study.spectra if spectrum_name(s) == cell.quantity)
    convention = f"ranks {measure.window[0]}..{measure.window[1]}, weights {measure.weights}"
    try:
        law = Spectrum.load(folder).power_law(window=measure.window, weights=measure.weights)
    except InputError as error:
        said = "; ".join(" ".join(line.split()) for line in str(error).splitlines())
        return _Number(cell.quantity, math.nan, math.nan, math.nan, convention, (f"{cell.quantity}: {said}",))
    return _Number(cell.quantity, law.alpha, *law.interval, convention, law.warnings)


def _calibrated(found: Calibration) -> list[_Number]:
    """What a calibration says of one population, in the order of the table."""
    n, window = len(found.alpha), f"ranks {found.window[0]}..{found.window[1]}"
    half = float(((found.high - found.low) / 2).median())
    coverage = found.coverage
    numbers: list[tuple[str, float, tuple[float, float], str]] = [
        ("true α", found.truth, (math.nan, math.nan), f"{window} of the population's eigenvalues"),
        ("bias", found.bias("alpha").value, found.bias("alpha").interval, f"mean error of α over {n} samples"),
        ("bias corrected", (b := found.bias("corrected")).value, b.interval, "the same of alpha_corrected"),
        ("standard deviation", float(found.corrected.std()), (math.nan, math.nan), "of alpha_corrected"),
        ("half width", half, (math.nan, math.nan), "median over samples, 95 % interval"),
        (COVERAGE, coverage.value, coverage.interval, f"share of {n} intervals that hold the true α"),
        ("warned", float(found.warned.double().mean()), (math.nan, math.nan), "share of the fits with a warning"),
    ]
    return [_Number(name, value, *interval, convention) for name, value, interval, convention in numbers]


CALIBRATED = ("true α", "bias", "bias corrected", "standard deviation", "half width", COVERAGE, "warned")


def _inherited(cell: Cell, store: Store) -> Iterable[str]:
    """Warnings of all steps that made this network: above all, a local layer that has not converged."""
    for step in cell.made_by():
        if store.has(step):
            if isinstance(step, LocallyTrained):
                yield from doubts(Convergence.load(store.folder(step) / "convergence"))
            else:
                yield from store.meta(step)["warnings"]


def headline(study: Study) -> list[str]:
    """The quantities of the table, in the order of the study."""
    measured = [ACCURACY, *map(spectrum_name, study.spectra), *map(critical_name, study.critical)]
    return [*(measured if study.models else []), *(CALIBRATED if study.calibration else [])]
