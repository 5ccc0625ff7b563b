"""Top of the page, as plain HTML: tables, claims with their evidence, conventions, provenance."""

from collections import Counter
from typing import Any

from eigencode.report._numbers import measured
from eigencode.report._table import claimed, grid, judged, marks, note_lines, warning_lines
from eigencode.report.html.shown import Shown
from eigencode.report.run import StudyRun

HELD_BACK = ", not after Holm"
"""Behind a verdict that does not stand among all claims of its study."""


def tables(shown: Shown) -> list[dict[str, Any]]:
    """Headline table per data set: columns, and a row per run and model with the cells of `report.table.grid`."""
    return [{"data": data, "columns": columns(shown), "rows": _rows(shown, data)} for data in shown.data]


def columns(shown: Shown) -> list[str]:
    """Headline quantities of all runs."""
    return list(dict.fromkeys(q for run in shown.runs for q in run.results["headline"]))


def claims(shown: Shown) -> list[dict[str, Any]]:
    """Claims by data set and statement: the verdict of each run, with its numbers."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for run, label in zip(shown.runs, shown.labels, strict=True):
        for claim in run.results["claims"]:
            value, interval = claimed(claim)
            shown_as = {"shown": value, "interval": interval, "p": measured(claim["p"]), "holds": judged(claim)[1]}
            found = {**claim, **shown_as, "run": label, "evidence": evidence(run, claim)}
            groups.setdefault((claim["data"], claim["statement"], claim["quantity"]), []).append(found)
    return [
        {
            "data": d,
            "statement": s,
            "quantity": q,
            "judged": found,
            "verdicts": Counter(c["verdict"] + (HELD_BACK if c["holds"] == "no" else "") for c in found),
        }
        for (d, s, q), found in groups.items()
    ]


def evidence(run: StudyRun, claim: dict[str, Any]) -> list[dict[str, Any]]:
    """Numbers of all models of a claim, per seed, with their intervals over images."""
    key = ("statement", "quantity")
    asked = [c for c in run.results["study"].get("claims", []) if all(c[k] == claim[k] for k in key)]
    about = [pair for c in asked for pair in _compared(c)]
    chosen = [r for r in run.results["rows"] if r["data"] == claim["data"] and (r["model"], r["quantity"]) in about]
    return [
        {
            "model": r["model"] if r["quantity"] == claim["quantity"] else f"{r['model']} ({r['quantity']})",
            "seed": r["seed"],
            "value": measured(r["value"]),
            "interval": f"[{measured(r['low'])}, {measured(r['high'])}]",
            "marks": marks(r),
        }
        for r in sorted(chosen, key=lambda r: about.index((r["model"], r["quantity"])))
    ]


def _compared(claim: dict[str, Any]) -> list[tuple[str, str]]:
    """All (model, quantity) of a claim."""
    other = (claim["other"], claim.get("other_quantity") or claim["quantity"])
    pairs = [*((m, claim["quantity"]) for m in (*claim["order"], claim["model"])), other]
    return [(model, quantity) for model, quantity in pairs if model]


def conventions(shown: Shown) -> list[tuple[str, str]]:
    """Conventions of the headline quantities, without duplicates; several where runs differ."""
    found: dict[tuple[str, str], None] = {}
    for name in columns(shown):
        for run in shown.runs:
            found |= {(name, e["convention"]): None for e in run.results["summary"] if e["quantity"] == name}
    return list(found)


def warnings(shown: Shown) -> list[tuple[str, list[str], list[str]]]:
    """The warnings and the notes of each run."""
    pairs = zip(shown.runs, shown.labels, strict=True)
    return [(label, warning_lines(run.results), note_lines(run.results)) for run, label in pairs]


def origins(shown: Shown) -> list[dict[str, Any]]:
    """Provenance of each run: name, title, seeds, computing time by kind of step, versions, study."""
    return [_origin(run, label) for run, label in zip(shown.runs, shown.labels, strict=True)]


def _origin(run: StudyRun, label: str) -> dict[str, Any]:
    results = run.results
    return {
        "label": label,
        "title": results["study"].get("title") or results["study"]["name"],
        "seeds": results["study"]["seeds"],
        "seconds": results.get("seconds"),
        "steps": run.times(),
        "provenance": _flat(results.get("provenance", {})),
        "study": results["study"],
    }


def _flat(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Flatten nested provenance to pairs of text."""
    return [
        (key, ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value))
        for key, value in found.items()
    ]


def _rows(shown: Shown, data: str) -> list[dict[str, Any]]:
    found = [(label, run) for run, label in zip(shown.runs, shown.labels, strict=True) if data in run.datasets]
    return [{"run": label, **row} for label, run in found for row in grid(run.results, data)]
