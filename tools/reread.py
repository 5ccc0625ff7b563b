"""`python -m tools.reread RESULTS...`: read α, marks, summary, claims and departures of published results anew.

Nothing is measured again.  Before α became the number its interval belongs to, a row held the fit to the measured
eigenvalues beside the interval of the corrected α, whose value is the middle of that interval.  Rows are turned into
those that the present code would write from the same records: the corrected α first, the plain fit as a further
reading, notes instead of warnings that do not threaten a comparison.  Everything computed from rows is then computed
anew.  `reread` in the file names the code that did so; `provenance` stays that of the measurement.

The figures are drawn anew too.  Those that need the records of a store, which is not there any more, are removed: they
show numbers of before.  `eigencode run` and `tools.publish` make all of them.
"""

import argparse
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from eigencode.base.strict_json import dumps
from eigencode.report.build import drawings
from eigencode.report.run import StudyRun
from eigencode.report.view import View
from eigencode.spectra._fit import SMALL_CORRECTION
from eigencode.spectra.windows import Z95
from eigencode.study._integrity import signed
from eigencode.study._provenance import provenance
from eigencode.study.results import Row
from tools.combine import computed, rows_of, study_of

SHAPE, LARGE, UNBROKEN = (
    ": not a power law, ",
    ": the correction for finite sampling is more than ",
    " were never broken",
)


def reread(results: dict[str, Any]) -> dict[str, Any]:
    """The results with every row as the present code reads it, and everything that is computed from rows."""
    study, kinds = study_of(results["study"]), {c["quantity"]: c["kind"] for c in results["cells"]}
    rows = rows_of(results)
    older = "notes" not in results["rows"][0]
    if older and study.calibration is not None:
        headline = ["bias of the plain fit" if name == "bias corrected" else name for name in results["headline"]]
        results, rows = results | {"headline": headline}, _calibrated(rows)
    elif older:
        names = {r.quantity for r in rows}
        rows = [
            row
            for r in rows
            if not _second(r, names)
            for row in _read(r, kinds.get(r.quantity.removesuffix(", raw"), ""), names)
        ]
    cells = [{"part": "", "read": {}, **cell} for cell in results["cells"]]
    return results | computed(study, rows) | {"cells": cells, "reread": {"commit": provenance()["commit"]}}


def _calibrated(rows: list[Row]) -> list[Row]:
    """The bias of α, and then that of the plain fit; α is the plain fit where nothing was corrected."""
    old, found = {(r.model, r.quantity): r for r in rows}, []
    for (model, quantity), row in old.items():
        plain, corrected = old[model, "bias"], old.get((model, "bias corrected"))
        best = plain if corrected is None or math.isnan(corrected.value) else corrected
        if quantity == "bias":
            said = f"{plain.convention.removesuffix(' of α')} of fits to the measured eigenvalues"
            found.append(replace(best, quantity="bias", convention=plain.convention))
            found.append(replace(plain, quantity="bias of the plain fit", convention=said))
        elif quantity != "bias corrected":
            found.append(replace(row, convention=row.convention.replace("alpha_corrected", "α")))
    return found


def _second(row: Row, names: set[str]) -> bool:
    """True for a corrected α beside a plain one: the reading that is now the first."""
    first, _, what = row.quantity.rpartition(", ")
    return what == "corrected" and first in names


def _read(row: Row, kind: str, names: set[str]) -> Iterator[Row]:
    if not row.convention.startswith("ranks "):
        kept = tuple(w for w in row.warnings if UNBROKEN not in w)
        yield replace(row, warnings=kept, notes=(*row.notes, *(f"n: {w}" for w in row.warnings if w not in kept)))
        return
    where = f"α over {row.convention.partition(',')[0]}"
    notes = []
    alpha, error = (row.low + row.high) / 2, (row.high - row.low) / 2 / Z95
    if not math.isfinite(alpha):
        alpha = row.value
    elif abs(row.value - alpha) > min(error, SMALL_CORRECTION * abs(alpha)):
        notes.append(f"c: {where} is corrected for finite sampling by more than one standard error or 5 %")
    shapes = [w.partition(SHAPE)[2] for w in row.warnings if SHAPE in w]
    notes += [f"s: {where} is a mean slope: the shape is no power law, {shape}" for shape in shapes]
    kept = tuple(w for w in row.warnings if SHAPE not in w and LARGE not in w)
    yield replace(row, value=alpha, warnings=kept, notes=tuple(notes))
    plain = f"{row.quantity}, plain"
    if kind == "spectrum" and plain not in names:
        said = f"fit to the measured eigenvalues, with the bias of finite sampling, {row.convention}"
        yield replace(row, quantity=plain, low=math.nan, high=math.nan, convention=said, warnings=(), notes=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    for path in parser.parse_args().results:
        path.write_text(dumps(signed(reread(json.loads(path.read_text("utf-8"))))) + "\n", "utf-8")
        print(path, *redrawn(path.parent))


def redrawn(folder: Path, keep: bool = False) -> list[str]:
    """Draw the figures of published results that need no records, and return their names; remove others, or `keep`."""
    figures = folder / "figures"
    if not keep:
        shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(exist_ok=True)
    made = list(drawings(View([StudyRun(folder, figures)]), figures))
    for path in figures.glob("*.pdf"):  # as the other published figures: SVG and PNG
        path.unlink()
    return [drawing.name for drawing in made]


if __name__ == "__main__":
    main()
