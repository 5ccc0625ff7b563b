"""`python -m tools.combine RESULTS PART`: models of a study measured again replace those in its published results.

RESULTS is a results.json below published/, PART one of the same study run with `--model`.  The rows of PART's models
take the place of the old ones; summary, claims and deviations are computed anew from all rows; `parts` says which
models have another provenance than the rest.  Figures stay those of the first run.  Both must have measured the same
things on the same images and seeds, and agree on the numbers of the data themselves.
"""

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eigencode.base.strict_json import dumps, number
from eigencode.study._claims import verdicts
from eigencode.study._deviations import effects
from eigencode.study._integrity import signed
from eigencode.study._measurements import DATA_ITSELF
from eigencode.study.config import Study
from eigencode.study.results import Row, kept, summarise

OWN = {"name", "title", "models", "claims", "deviations"}
"""What two runs of one study may differ in."""


def combined(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The results of `whole` with the models of `part`.

    Raises:
        SystemExit: other settings, a model `whole` does not have, or other numbers of the data.
    """
    renewed = part["study"]["models"]
    others = [k for k, v in whole["study"].items() if k not in OWN and part["study"].get(k) != v]
    unknown = [m for m in renewed if m not in whole["study"]["models"]]
    if others or unknown:
        raise SystemExit(f"these are not runs of one study: {', '.join([*others, *unknown])} differ")
    mine, theirs = (rows_of(results) for results in (whole, part))
    _same_data(mine, theirs, whole["headline"])

    def merged(old: list[Any], new: list[Any], model: Any) -> list[Any]:
        """Old entries but those of the renewed models, which come from `new`, in the order of the study."""
        kept = [e for e in old if model(e) not in renewed] + [e for e in new if model(e) in renewed]
        order = [DATA_ITSELF, *whole["study"]["models"]]
        return sorted(kept, key=lambda e: order.index(model(e)))

    study = {**whole["study"], "models": {**whole["study"]["models"], **renewed}}
    rows = merged(mine, theirs, lambda row: row.model)
    return whole | {
        "study": study,
        "cells": merged(whole["cells"], part["cells"], lambda cell: cell["model"]),
        **computed(study_of(study), rows),
        "parts": whole.get("parts", {}) | {m: _made(part) for m in renewed},
    }


def study_of(published: dict[str, Any]) -> Study:
    """The study of a published file; `network` was the name of the key `factory` until version 0.1."""
    models = published["models"].items()
    renamed = {name: {"factory" if k == "network" else k: v for k, v in model.items()} for name, model in models}
    return Study.model_validate({**published, "models": renamed})


def computed(study: Study, rows: list[Row]) -> dict[str, Any]:
    """The parts of results.json that follow from the rows."""
    return {
        "rows": [kept(r) for r in rows],
        "summary": [asdict(s) for s in summarise(rows)],
        "claims": [asdict(v) for v in verdicts(study, rows)],
        "deviations": [asdict(e) for e in effects(study, rows)],
    }


def _made(part: dict[str, Any]) -> dict[str, Any]:
    return {"provenance": part["provenance"], "seconds": part["seconds"]}


def rows_of(results: dict[str, Any]) -> list[Row]:
    """The rows of results.json."""
    numbers, words = ("value", "low", "high"), ("warnings", "notes")
    return [
        Row(**r | {k: number(r[k]) for k in numbers} | {k: tuple(r.get(k, ())) for k in words}) for r in results["rows"]
    ]


def _same_data(mine: list[Row], theirs: list[Row], quantities: list[str]) -> None:
    """The data have exponents of their own: two runs that disagree on one have not seen the same images."""
    known = {(r.data, r.seed, r.quantity): r.value for r in mine if r.model == DATA_ITSELF}
    for r in (r for r in theirs if r.model == DATA_ITSELF):
        place = (r.data, r.seed, r.quantity)
        if r.quantity in quantities and place in known and not _close(r.value, known[place]):
            raise SystemExit(
                f"these runs did not see the same images: {r.quantity} of the data is {known[place]} and {r.value}"
            )


def _close(one: float, two: float) -> bool:
    return math.isclose(one, two, rel_tol=1e-4) or (math.isnan(one) and math.isnan(two))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("part", type=Path)
    chosen = parser.parse_args()
    whole, part = (json.loads(path.read_text("utf-8")) for path in (chosen.results, chosen.part))
    chosen.results.write_text(dumps(signed(combined(whole, part))) + "\n", "utf-8")
    print(f"{', '.join(part['study']['models'])} of {chosen.part} are now in {chosen.results}")


if __name__ == "__main__":
    main()
