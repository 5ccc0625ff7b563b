"""`python -m tools.combine RESULTS PART [--study STUDY]`: a study measured in parts becomes one published file.

RESULTS is a results.json below published/, PART one of the same study run with other models (`--model`) or other seeds
(`--set seeds=[1]`).  A model and seed of PART takes the place of the one in RESULTS, or joins it; claims of PART join,
too.  Summary, claims and deviations are computed anew from all rows; `parts` says what has another provenance than the
rest, `seconds` is the computing time of all.  Figures that need records stay those of the first run, all others are
drawn anew.  Both must have measured the same things on the same images, and agree on the numbers of the data.

A run of some models has no relations, and no claims about others.  `--study` takes them from the study file, as far as
their models are there now.

Of a calibration, PART has other populations (`--set calibration.units=[1000]`), estimators or numbers of repeats, with
everything else alike.  They join those of RESULTS; numbers that both have must agree.  Its figures are drawn anew.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eigencode.base.strict_json import dumps, number
from eigencode.study._catalogue import make
from eigencode.study._choice import Choice
from eigencode.study._claims import verdicts
from eigencode.study._deviations import effects
from eigencode.study._integrity import signed
from eigencode.study._mean import holm
from eigencode.study._measurements import DATA_ITSELF, headline
from eigencode.study.config import SHORTHAND, Claim, Study
from eigencode.study.plan import plan
from eigencode.study.read import read_study
from eigencode.study.relations._related import related
from eigencode.study.results import Row, kept, summarise

OWN = {"name", "title", "models", "seeds", "claims", "deviations", "relations"}
"""What two runs of one study may differ in."""

STATED = ("claims", "deviations", "relations")

POPULATIONS = ("kinds", "alphas", "units", "samples", "stimuli")
NOISE = ("snr", "repeats", "estimators")
"""What two runs of one calibration may differ in."""

ORDERED = ("snr", "units", "samples", "stimuli", "repeats")
"""Of these, numbers to be put in order, ratios from the largest."""


def combined(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The results of `whole` with the models and seeds of `part`, or with its populations.

    Raises:
        SystemExit: other settings, or other numbers of the data, or of the same population.
    """
    before, after = whole["study"], part["study"]
    if before.get("calibration") and after.get("calibration") and not before["models"] and not after["models"]:
        return _calibrated(whole, part)
    known, again = study_of(before), study_of(after)  # compared with all defaults, whatever their version
    mine, theirs = known.model_dump(), again.model_dump()
    tables = (*SHORTHAND, "measure")
    others = [k for k in mine if k not in OWN | {*tables} and theirs[k] != mine[k]]
    others += [table for table in tables if _measures(known, table) != _measures(again, table)]
    if others:
        raise SystemExit(f"these are not runs of one study: {', '.join(others)} differ")
    rows, more = (rows_of(results) for results in (whole, part))
    _same_data(rows, more, whole["headline"])
    models = {**before["models"], **after["models"]}
    renewed = {(model, seed) for model in after["models"] for seed in after["seeds"]}
    changed = {model for model in again.models if known.models.get(model) != again.models[model]}
    order = [DATA_ITSELF, *models]

    def merged(old: list[Any], new: list[Any], place: Callable[[Any], tuple[str, int]]) -> list[Any]:
        """Old entries but those that are measured again, and the new ones, in the order of the study."""
        there = {place(e) for e in old}
        kept = [e for e in old if place(e) not in renewed and place(e)[0] not in changed]
        added = [e for e in new if place(e) in renewed or place(e) not in there]
        return sorted(kept + added, key=lambda e: (order.index(place(e)[0]), place(e)[1]))

    seeds = sorted({*before["seeds"], *after["seeds"]})
    study = before | {"models": models, "seeds": seeds}
    for name in (n for n in STATED if n in before or after.get(n)):
        stated = zip(after.get(name, ()), getattr(again, name), strict=True)
        study[name] = [*before.get(name, ()), *(raw for raw, made in stated if made not in getattr(known, name))]
    rows = merged(rows, more, lambda row: (row.model, row.seed))
    every = seeds == sorted(after["seeds"])
    names = after["models"] if every else [f"{model}, seed {seed}" for model, seed in sorted(renewed)]
    return whole | {
        "study": study,
        "headline": list(dict.fromkeys([*whole["headline"], *part["headline"]])),
        "seconds": whole["seconds"] + part["seconds"],
        "cells": merged(whole["cells"], part["cells"], lambda cell: (cell["model"], cell["seed"])),
        **computed(study_of(study), rows, whole, part),
        "parts": whole.get("parts", {}) | dict.fromkeys(names, _made(part)),
    }


def _calibrated(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The results of a calibration with those of other populations, estimators or numbers of repeats."""
    before, after = (study_of(results["study"]).model_dump(mode="json") for results in (whole, part))
    mine, theirs = before["calibration"], after["calibration"]
    joined = _united(mine, theirs, POPULATIONS)
    if mine["noise"] and theirs["noise"]:
        joined["noise"] = _united(mine["noise"], theirs["noise"], NOISE)
    others = [k for k in before if k not in OWN | {"calibration"} and before[k] != after[k]]
    others += [k for k in mine if k not in (*POPULATIONS, "noise") and mine[k] != theirs[k]]
    others += [k for k in ("noise", "stimuli") if bool(mine[k]) != bool(theirs[k])]
    if others:
        raise SystemExit(f"these are not runs of one calibration: {', '.join(others)} differ")
    stated = {name: [*before[name], *(e for e in after[name] if e not in before[name])] for name in STATED}
    study = whole["study"] | {"calibration": joined} | stated
    order = {(c.data, c.model, c.quantity): i for i, c in enumerate(plan(study_of(study)))}
    every = [*part["cells"], *whole["cells"]]
    cells = {_place(c): c for c in every}
    at = {(c["data"], c["model"], c["key"]): order[_place(c)] for c in every}
    rows = {(r.data, r.model, r.quantity): r for r in rows_of(whole)}
    for r in rows_of(part):
        known = rows.setdefault((r.data, r.model, r.quantity), r)
        if not all(_close(getattr(r, end), getattr(known, end)) for end in ("value", "low", "high")):
            where = f"{r.quantity} of {r.model}, {r.data}"
            raise SystemExit(f"these runs do not agree: {where}: {known.value} and {r.value}")
    return whole | {
        "study": study,
        "headline": headline(study_of(study)),
        "seconds": whole["seconds"] + part["seconds"],
        "cells": sorted(cells.values(), key=lambda c: order[_place(c)]),
        **computed(study_of(study), sorted(rows.values(), key=lambda r: at[r.data, r.model, r.key])),
        "parts": whole.get("parts", {}) | {_told(theirs, joined): _made(part)},
    }


def _united(mine: dict[str, Any], theirs: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Settings with the lists `names` of both."""
    joined = dict(mine)
    for name in names:
        both = [*mine[name], *(v for v in theirs[name] if v not in mine[name])]
        joined[name] = sorted(both, reverse=name == "snr") if name in ORDERED else both
    return joined


def _told(part: dict[str, Any], joined: dict[str, Any]) -> str:
    """The populations of a part, by the settings of which it has not all values."""
    lists = [(name, part[name], joined[name]) for name in POPULATIONS]
    lists += [(name, part["noise"][name], joined["noise"][name]) for name in NOISE if joined["noise"]]
    return "; ".join(f"{name} = {mine}" for name, mine, both in lists if len(mine) < len(both)) or "all populations"


def _place(cell: dict[str, Any]) -> tuple[str, str, str]:
    return cell["data"], cell["model"], cell["quantity"]


def with_claims_of(results: dict[str, Any], whole: Study) -> dict[str, Any]:
    """The results with the relations of the whole study, and its claims about models and numbers that are there."""
    absent = set(whole.models) - set(results["study"]["models"])
    there = {(r["model"], r["quantity"]) for r in results["rows"]}
    claims = [c for c in whole.claims if not {c.model, c.other, *c.order} & absent]
    claims = [c for c in claims if c.relation or {*_of(c)} <= there]
    said = {"relations": whole.relations, "claims": claims}
    study = results["study"] | {k: [entry.model_dump(mode="json") for entry in v] for k, v in said.items()}
    made = study_of(study)
    return results | {"study": study, "headline": headline(made), **computed(made, rows_of(results), results)}


def _of(claim: Claim) -> Iterator[tuple[str, str]]:
    """The models and their numbers that a claim is about."""
    yield from ((model, claim.quantity) for model in (claim.model, *claim.order) if model)
    if claim.other is not None:
        yield claim.other, claim.other_quantity or claim.quantity


def _measures(study: Study, table: str) -> list[tuple[Any, ...]]:
    """The measures of a table of a study, with all defaults: a version may write some that another leaves out."""
    found = []
    for entry in getattr(study, table):
        settings = entry.settings()
        widths = settings.pop("widths", ()) if entry.kind == "spectrum" else ()
        measure = make("measures", Choice(name=entry.kind, **settings))
        at = entry.at or ((measure.default_place,) if measure.default_place else ())
        found.append((entry.name, measure, at, entry.published, entry.when, tuple(widths)))
    return found


def study_of(published: dict[str, Any]) -> Study:
    """The study of a published file; until version 0.1 `factory` was called `network`, and settings could be null."""
    models = published["models"].items()
    renamed = {name: {"factory" if k == "network" else k: v for k, v in model.items()} for name, model in models}
    tables = {t: [_given(e) for e in published[t]] for t in (*SHORTHAND, "measure") if t in published}
    return Study.model_validate({**published, **tables, "models": renamed})


def _given(entry: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in entry.items() if v is not None}


def computed(study: Study, rows: list[Row], *measured: dict[str, Any]) -> dict[str, Any]:
    """The parts of results.json that follow from the rows.

    Comparisons that one of the results `measured` has made of the same numbers stay as they are: with one seed they are
    paired over images, which the rows are not.
    """
    relations = related(study, rows)
    claims = _paired([asdict(v) for v in verdicts(study, rows, relations)], measured, "claims")
    adjusted = holm([number(claim["p"]) for claim in claims])
    return {
        "rows": [kept(r) for r in rows],
        "summary": [asdict(s) for s in summarise(rows)],
        **({"relations": [r.kept() for r in relations]} if relations else {}),
        "claims": [claim | {"p_holm": p} for claim, p in zip(claims, adjusted, strict=True)],
        "deviations": _paired([asdict(e) for e in effects(study, rows)], measured, "deviations"),
    }


ENDS = ("low", "high", "verdict", "explained_by", "p", "p_holm")
"""What of a comparison pairing may change."""


def _paired(made: list[dict[str, Any]], measured: tuple[dict[str, Any], ...], name: str) -> list[dict[str, Any]]:
    """Comparisons as they were measured, where seeds, numbers and wording are the same."""

    def same(entry: dict[str, Any]) -> str:
        shown = json.loads(dumps({k: v for k, v in entry.items() if k not in ENDS}))
        return dumps({k: f"{v:.9g}" if isinstance(v, float) else v for k, v in shown.items()})

    known = {same(entry): entry for results in measured for entry in results.get(name, ())}
    return [known.get(same(entry), entry) for entry in made]


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
    parser.add_argument("--study", type=Path)
    chosen = parser.parse_args()
    whole, part = (json.loads(path.read_text("utf-8")) for path in (chosen.results, chosen.part))
    joined = combined(whole, part)
    joined = joined if chosen.study is None else with_claims_of(joined, read_study(chosen.study))
    chosen.results.write_text(dumps(signed(joined)) + "\n", "utf-8")
    from tools.publish import refresh  # which read rows by this module
    from tools.reread import redrawn

    redrawn(chosen.results.parent, keep=bool(part["study"]["models"]))
    refresh()
    print(f"{', '.join(part['study']['models']) or 'the populations'} of {chosen.part} are now in {chosen.results}")


if __name__ == "__main__":
    main()
