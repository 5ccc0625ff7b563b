"""Words and tables of the page: the result, models, claims with their evidence, conventions, provenance."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from eigencode.report._models import explained, terms
from eigencode.report._numbers import measured, ranged
from eigencode.report._results import finished
from eigencode.report._table import claimed, grid, judged, marks, note_lines, sign, warning_lines, worded
from eigencode.report.run import StudyRun
from eigencode.report.view import View
from eigencode.study._paired import margin
from eigencode.study.results import Row

ACCURACY = "test accuracy"


def sentences(view: View) -> list[str]:
    """The result in a few sentences: which models lead, and how many claims are reproduced."""
    found = (
        [said for run in view.runs for data in run.datasets for said in _leading(run, data)]
        if len(view.runs) == 1
        else []
    )
    verdicts = Counter(c["verdict"] for run in view.runs for c in run.results["claims"])
    if verdicts:
        told = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
        found.append(f"Of {verdicts.total()} claim{'s' * (verdicts.total() > 1)}: {told}.")
    return found


def _leading(run: StudyRun, data: str) -> Iterator[str]:
    """Sentences on the most accurate and the most robust models; those not distinguishable from the best lead too."""
    entries = [s for s in finished(run.results["summary"]) if s["data"] == data and math.isfinite(s["mean"])]
    where = f" on {data}" if len(run.datasets) > 1 else ""
    groups: dict[tuple[str, ...], list[str]] = {}
    ranked = {ACCURACY, *run.quantities("critical")}
    for quantity in run.quantities("critical"):
        if names := _best(run, data, quantity):
            groups.setdefault(names, []).append(quantity.removeprefix("critical size, "))
    for names, attacks in groups.items():
        verb = "withstands" if len(names) == 1 else "withstand"
        yield f"{_listed(names)} {verb} the largest perturbations{where} ({', '.join(attacks)})."
    if names := _best(run, data, ACCURACY):
        best = max(s["mean"] for s in entries if s["quantity"] == ACCURACY)
        yield f"{_listed(names)} {'is' if len(names) == 1 else 'are'} the most accurate{where} ({measured(best)})."
    elif not groups and len(run.models) > 1 and any(s["quantity"] in ranked for s in entries):
        yield f"No model leads in accuracy or critical size{where}: the differences may be chance."
    for s in entries if len(run.models) == 1 else ():
        if s["quantity"] in run.results["headline"]:
            yield f"{s['quantity']} = {ranged(s['mean'], s['low'], s['high'])}{where}."


def _best(run: StudyRun, data: str, quantity: str) -> tuple[str, ...]:
    """The models that are not distinguishable from that of the largest mean; none if these are all."""
    names = ("data", "model", "seed", "quantity", "value", "low", "high", "convention", "key")
    found = [r for r in finished(run.results["rows"]) if (r["data"], r["quantity"]) == (data, quantity)]
    models = dict.fromkeys(r["model"] for r in found if not math.isnan(r["value"]))
    endless = tuple(dict.fromkeys(r["model"] for r in found if r["value"] == math.inf))
    if endless:  # a median that most images outlived is larger than any that is known
        return endless if len(endless) < len(models) else ()
    rows = [Row(**{n: r[n] for n in names}) for r in found]
    means = {m: margin(rows, (m, quantity)).value for m in models}
    best = max(means, key=lambda m: means[m], default="")
    apart = {m for m in models if m != best and margin(rows, (best, quantity), (m, quantity)).low > 0}
    return tuple(m for m in models if m not in apart) if apart else ()


def _listed(names: Sequence[str]) -> str:
    """
    >>> _listed(["A"]), _listed(["A", "B", "C"])
    ('A', 'A, B and C')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def models(view: View) -> list[tuple[str, str]]:
    """Every model with one line about how it was made; a line per way, where runs differ."""
    return list({(n, line): None for run in view.runs for n, line in explained(run.results).items()})


def tables(view: View) -> list[dict[str, Any]]:
    """Headline table per data set: columns, and a row per run and model with the cells of `report.table.grid`."""
    return [{"data": data, "columns": columns(view), "rows": _rows(view, data)} for data in view.data]


def columns(view: View) -> list[str]:
    """Headline quantities of all runs."""
    return list(dict.fromkeys(q for run in view.runs for q in run.results["headline"]))


def claims(view: View) -> list[dict[str, Any]]:
    """Claims by data set and statement: the verdict of each run, with its numbers.

    Claims of one run with the same statement, about other models, are apart.
    """
    groups: dict[tuple[str, str, str, int], list[dict[str, Any]]] = {}
    for run, label in zip(view.runs, view.labels, strict=True):
        seen: Counter[tuple[str, str, str]] = Counter()
        for claim in run.results["claims"]:
            which = (claim["data"], claim["statement"], claim["quantity"])
            value, interval = claimed(claim)
            shown_as = {"shown": value, "interval": interval, "p": measured(claim["p"]), "holds": judged(claim)[1]}
            found = {**claim, **shown_as, "run": label, "evidence": evidence(run, claim, seen[which])}
            groups.setdefault((*which, seen[which]), []).append(found)
            seen[which] += 1
    return [
        {
            "data": d,
            "statement": s,
            "quantity": q,
            "judged": found,
            "by_run": {c["run"]: (sign(c["verdict"]), worded(c)) for c in found},
        }
        for (d, s, q, _), found in groups.items()
    ]


def evidence(run: StudyRun, claim: dict[str, Any], number: int = 0) -> list[dict[str, Any]]:
    """List the numbers that a claim compares, one per model and seed, with their intervals over images.

    `number` tells claims of the same statement apart, in the order of the study.
    """
    key = ("statement", "quantity")
    asked = [c for c in run.results["study"].get("claims", []) if all(c[k] == claim[k] for k in key)]
    asked = [c for c in asked if c.get("data", "") in ("", claim["data"])]
    about = [pair for c in asked[number : number + 1] for pair in _compared(c)]
    chosen = [
        r for r in finished(run.results["rows"]) if r["data"] == claim["data"] and (r["model"], r["quantity"]) in about
    ]
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


def conventions(view: View) -> list[tuple[str, str]]:
    """Terms, then conventions of the headline quantities, without duplicates; several where runs differ."""
    found = dict.fromkeys(terms(run.results for run in view.runs).items())
    for name in columns(view):
        for run in view.runs:
            found |= {(name, e["convention"]): None for e in finished(run.results["summary"]) if e["quantity"] == name}
    return list(found)


def warnings(view: View) -> list[tuple[str, list[str], list[str]]]:
    """The warnings and the notes of each run."""
    pairs = zip(view.runs, view.labels, strict=True)
    return [(label, warning_lines(run.results), note_lines(run.results)) for run, label in pairs]


def origins(view: View) -> list[dict[str, Any]]:
    """Provenance of each run: name, title, seeds, computing time by kind of step, versions, study."""
    return [_origin(run, label) for run, label in zip(view.runs, view.labels, strict=True)]


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


def _rows(view: View, data: str) -> list[dict[str, Any]]:
    found = [(label, run) for run, label in zip(view.runs, view.labels, strict=True) if data in run.datasets]
    return [{"run": label, **row} for label, run in found for row in grid(run.results, data)]
