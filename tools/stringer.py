"""`python -m tools.stringer FOLDER --out OUT`: recordings of Stringer et al. (2019) against the published exponents.

FOLDER holds `natimg2800_M*.mat` of doi:10.25378/janelia.6845348 (the seven that show 2800 natural images).  Each is
prepared and measured as `eigencode spectrum FILE --zscore --remove-spontaneous 32` does; its page and records go to
OUT/NAME.  OUT/results.json has the numbers of all recordings, their means with 95 % intervals over recordings (they are
its `seeds`), and a verdict on each published mean: "reproduced" if the whole interval lies within the published mean ±
half of the published range over recordings.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from eigencode.base.errors import DataError, EigencodeError
from eigencode.base.strict_json import dumps
from eigencode.data import prepared, read_recording
from eigencode.given import recorded
from eigencode.given._files import new_folder, write
from eigencode.given._options import ranks
from eigencode.report._table import show
from eigencode.spectra.power_law import Window
from eigencode.study._integrity import signed
from eigencode.study._provenance import provenance
from eigencode.study.config import Study
from eigencode.study.results import Row
from tools.combine import computed, rows_of

NAME, MODEL = "natimg2800", "V1"

PUBLISHED = {
    "α": (1.014, 0.963, 1.094),
    "signal α": (0.937, 0.898, 1.009),
    "signal α, α₁": (0.518, 0.439, 0.628),
    "signal α, break": (15.1, 10.0, 24.0),
    "signal α, α₂": (1.204, 1.119, 1.282),
}
"""Mean, smallest and largest over the recordings: D. Pospisil and J. Pillow, PNAS 2025; α by cvPCA with weights 1/n."""


def measured(path: Path, seed: int, window: Window, components: int, out: Path) -> list[Row]:
    """The numbers of one recording, which is the `seed` of its rows; its page is written to `out`."""
    ready = prepared(read_recording(path), zscore=True, remove_spontaneous=components)
    found = recorded(ready, window)
    write(found, out / path.stem)
    rows = rows_of(json.loads(found.json()))
    return [Row(**{**vars(row), "data": NAME, "model": MODEL, "seed": seed}) for row in rows]


def claimed(seeds: int) -> Study:
    """A study of so many recordings that claims the published means."""
    claims = [
        {
            "statement": f"{quantity} is as published",
            "quantity": quantity,
            "model": MODEL,
            "comparison": "within",
            "value": mean,
            "tolerance": (high - low) / 2,
            "published": f"{mean} ({low} to {high})",
        }
        for quantity, (mean, low, high) in PUBLISHED.items()
    ]
    models: dict[str, Any] = {MODEL: {}}
    return Study.model_validate({"name": NAME, "data": NAME, "models": models, "seeds": range(seeds), "claims": claims})


def results(files: Sequence[Path], window: Window, components: int, out: Path) -> dict[str, Any]:
    """The content of results.json."""
    rows = [row for seed, path in enumerate(files) for row in measured(path, seed, window, components, out)]
    study = claimed(len(files))
    found = computed(study, rows)
    places = [{"data": NAME, "model": MODEL, "seed": seed, "recording": path.name} for seed, path in enumerate(files)]
    return {
        "study": study.model_dump(mode="json"),
        "headline": list(PUBLISHED),
        "cells": places,
        **found,
        "provenance": provenance(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--window", default="11:500", help="ranks of the fit to the eigenvalues of cvPCA")
    parser.add_argument("--remove-spontaneous", type=int, default=32, help="components of spontaneous activity")
    chosen = parser.parse_args()
    try:
        files = sorted(chosen.folder.glob("natimg2800_M*.mat"))
        if not files:
            fix = "fetch them from doi:10.25378/janelia.6845348"
            raise DataError(f"{chosen.folder}: no recordings", wanted="natimg2800_M*.mat", fix=fix)
        out = new_folder(chosen.out)
        found = results(files, ranks(chosen.window), chosen.remove_spontaneous, out)
    except EigencodeError as error:
        raise SystemExit(str(error)) from None
    (out / "results.json").write_text(dumps(signed(found)) + "\n", "utf-8")
    show(found, Console())


if __name__ == "__main__":
    main()
