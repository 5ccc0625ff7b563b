"""Print the headline table of a study."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigencode.base.strict_json import number
from eigencode.base.text import printable
from eigencode.report._models import explained, terms
from eigencode.report._numbers import measured, ranged
from eigencode.report._results import finished

Results = dict[str, Any]
"""Content of results.json."""

DECIDED = ("reproduced", "reversed", "outside")
"""Verdicts that a test has given."""


def show(results: Results, console: Console) -> None:
    """Print the table of every data set, then terms, models, notes, warnings, claims and departures."""
    for data in dict.fromkeys(c["data"] for c in results["cells"]):
        rows = [r for r in finished(results["rows"]) if r["data"] == data]
        if len({(r["model"], r["seed"]) for r in rows}) == 1:
            model, seed = rows[0]["model"], rows[0]["seed"]
            console.print(Text(f"{printable(data)}: {printable(model)}, seed {seed}"), _single(results, rows), sep="\n")
            continue
        console.print(_table(results, data))
        for line in convention_lines(results, data):
            console.print(Text(line, style="dim"))
    for name, line in (terms([results]) | explained(results)).items():
        console.print(Text(f"{printable(name)}: {printable(line, 300)}", style="dim"))
    for note in results.get("notes", ()):
        console.print(Text(f"- {printable(note, 1000)}"))
    for line in note_lines(results):
        console.print(Text(line, style="dim"))
    for line in warning_lines(results):
        console.print(Text(line, style="yellow"))
    if results["claims"]:
        console.print(_claims(results))
    if results["deviations"]:
        console.print(_deviations(results))


def convention_lines(results: Results, data: str) -> list[str]:
    """Unit and convention of the columns of a table, one line per convention."""
    meant: dict[str, list[str]] = {}
    for quantity in results["headline"]:
        found = [s for s in finished(results["summary"]) if s["data"] == data and s["quantity"] == quantity]
        for convention in dict.fromkeys(s["convention"] for s in found if s["convention"]):
            meant.setdefault(convention, []).append(quantity)
    return [f"{', '.join(map(printable, names))}: {printable(convention)}" for convention, names in meant.items()]


def warning_lines(results: Results) -> list[str]:
    """All warnings with their models; warnings of a model that differ only in numbers are merged."""
    whole = [f"! {printable(w, 2000)}" for w in results.get("mixed", ())]
    return whole + _merged(
        (f"! {w}", entry["model"]) for entry in finished(results["summary"]) for w in entry["warnings"]
    )


def note_lines(results: Results) -> list[str]:
    """The notes on numbers of the headline, with their signs and models."""
    shown = [entry for entry in finished(results["summary"]) if entry["quantity"] in results["headline"]]
    return _merged((n.replace(": ", " ", 1), entry["model"]) for entry in shown for n in entry.get("notes", ()))


def _merged(said: Iterable[tuple[str, str]]) -> list[str]:
    """Lines "SIGN MODELS: SENTENCE" of pairs ("SIGN SENTENCE", model)."""
    models_of: dict[str, list[str]] = {}
    for sentence, model in said:
        models_of.setdefault(sentence, []).append(model)
    alike: dict[tuple[str, ...], list[str]] = {}
    for sentence, models in models_of.items():
        alike.setdefault((re.sub(r"\d+", "#", sentence), *dict.fromkeys(models)), []).append(sentence)
    return [
        f"{same[0][0]} {', '.join(map(printable, models))}: {printable(same[0][2:], 1000)}"
        + (f" (and {len(same) - 1} more like it)" if len(same) > 1 else "")
        for (_, *models), same in alike.items()
    ]


def _table(results: Results, data: str) -> Table:
    seeds = len(results["study"]["seeds"])
    said = f"mean of {seeds} seeds ± half of the 95 % interval over seeds and images"
    said = said if seeds > 1 else "one seed ± half of the 95 % interval over images"
    table = Table(title=Text(f"{printable(data)}: {said}"), title_justify="left")
    table.add_column("", overflow="fold")
    quantities = results["headline"]
    for name in quantities:
        table.add_column(Text(printable(name)), justify="right", overflow="fold")
    for model in grid(results, data):
        texts = [marked(model["cells"][q]) if q in model["cells"] else "" for q in quantities]
        table.add_row(Text(printable(model["name"])), *map(Text, texts))
    return table


def _single(results: Results, rows: list[dict[str, Any]]) -> Table:
    """One network measured once: a line per number, with its interval over images and its convention."""
    found = [r for name in results["headline"] for r in rows if r["quantity"] == name]
    lines = [
        (r["quantity"], f"{measured(r['value'])} {marks(r)}".rstrip(), _interval(r), r["convention"]) for r in found
    ]
    return _listed("", ("", "value", "95 %", "convention"), lines)


def _claims(results: Results) -> Table:
    names = ("claim", "compared", "value", "95 %", "published", "verdict", "after Holm", "explained by")
    rows = [
        (
            *(c["statement"], c["compared"], *claimed(c), c["published"]),
            *judged(c),
            ", ".join(c.get("explained_by", ())),
        )
        for c in results["claims"]
    ]
    return _listed("claims", *_by_data(results["claims"], names, rows))


def _by_data(
    entries: list[dict[str, Any]], names: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """Names and rows of a table, with the data set of each entry first if there are several."""
    if len({e["data"] for e in entries}) < 2:
        return names, rows
    return ("data", *names), [(e["data"], *row) for e, row in zip(entries, rows, strict=True)]


def judged(claim: dict[str, Any]) -> tuple[str, str]:
    """Verdict of a claim, and whether it holds after Holm's correction for all claims: yes, no, or "" if undecided."""
    verdict, p = claim["verdict"], number(claim.get("p_holm"))
    tested = verdict in DECIDED and not math.isnan(p)
    return verdict, ("yes" if p < 0.05 else "no") if tested else ""


def sign(verdict: str) -> tuple[str, str]:
    """Sign and class of a verdict."""
    signs = {"reproduced": ("✓", "good"), "reversed": ("✗", "bad"), "outside": ("✗", "bad")}
    return signs.get(verdict, ("?", "open"))


def worded(claim: dict[str, Any]) -> str:
    """Verdict of a claim in words, ", not after Holm" behind one that does not stand among all claims of its study."""
    verdict, holds = judged(claim)
    return verdict + ", not after Holm" * (holds == "no")


def _deviations(results: Results) -> Table:
    """Table of departures of the published code: each number with it, without it, and the difference."""
    names = ("departure", "model", "quantity", "as published", "corrected", "difference", "95 %")
    numbers = ("published", "corrected", "difference")
    rows = [
        (d["id"], d["model"], d["quantity"], *(measured(d[n]) for n in numbers), _interval(d))
        for d in results["deviations"]
    ]
    title = "what the published code does otherwise, and what that does"
    return _listed(title, *_by_data(results["deviations"], names, rows))


def _listed(title: str, names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=Text(title) if title else None, title_justify="left")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell, 300)) for cell in row))
    return table


def claimed(claim: dict[str, Any]) -> tuple[str, str]:
    """Number of a claim and its interval."""
    return measured(claim["value"]), _interval(claim)


def _interval(entry: dict[str, Any]) -> str:
    return "" if math.isnan(entry["low"]) else f"[{measured(entry['low'])}, {measured(entry['high'])}]"


def text(entry: dict[str, Any], seeds: int) -> str:
    """Format a number with its interval, and with the number of seeds if some are missing."""
    missing = f" ({entry['seeds']} of {seeds} seeds)" if entry["seeds"] < seeds else ""
    interval = (number(entry.get(end)) for end in ("low", "high"))
    return ranged(number(entry["mean"]), *interval) + missing


def marks(entry: dict[str, Any]) -> str:
    """`!` for a warning and the sign of every note, such as "!,c"."""
    signs = sorted({note.partition(":")[0] for note in entry.get("notes", ())})
    return ",".join(["!"] * bool(entry["warnings"]) + signs)


def marked(cell: dict[str, str]) -> str:
    """Text and marks of a cell of `grid`."""
    return f"{cell['text']} {cell['marks']}".rstrip()


def grid(results: Results, data: str) -> list[dict[str, Any]]:
    """Rows of the headline table: name, and for every quantity its text, marks and convention."""
    entries = [s for s in finished(results["summary"]) if s["data"] == data]
    names = list(dict.fromkeys(s["model"] for s in entries))
    return [
        {
            "name": name,
            "cells": {
                s["quantity"]: {
                    "text": text(s, len(results["study"]["seeds"])),
                    "convention": s["convention"],
                    "marks": marks(s),
                }
                for s in entries
                if s["model"] == name
            },
        }
        for name in names
    ]
