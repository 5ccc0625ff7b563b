"""The headline table of a study, for a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigencode.report.numbers import measured
from eigencode.report.run import StudyRun


def show(run: StudyRun, console: Console) -> None:
    """Print the table of every data set, and each warning once below it."""
    for data in run.datasets:
        console.print(_table(run, data))
    warnings: dict[str, list[str]] = {}
    for entry in run.results["summary"]:
        for said in entry["warnings"]:
            warnings.setdefault(said, []).append(entry["model"])
    for said, models in warnings.items():
        console.print(Text(f"! {', '.join(dict.fromkeys(models))}: {said}", style="yellow"))


def _table(run: StudyRun, data: str) -> Table:
    seeds = len(run.results["study"]["seeds"])
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed, no spread"
    table = Table(title=f"{data}: {spread}", title_justify="left")
    table.add_column("")
    quantities = run.results["headline"]
    for name in quantities:
        table.add_column(name, justify="right")
    for model in grid(run, data):
        table.add_row(Text(model["name"]), *(Text(model["cells"].get(q, {}).get("text", "")) for q in quantities))
    return table


def grid(run: StudyRun, data: str) -> list[dict[str, Any]]:
    """Rows of the headline table: name, and for every quantity its text, convention and warnings."""
    entries = [s for s in run.results["summary"] if s["data"] == data]
    names = list(dict.fromkeys(s["model"] for s in entries))
    return [
        {
            "name": name,
            "cells": {
                s["quantity"]: {
                    "text": measured(s["mean"], s["spread"]) + (" !" if s["warnings"] else ""),
                    "convention": s["convention"],
                    "warnings": s["warnings"],
                }
                for s in entries
                if s["model"] == name
            },
        }
        for name in names
    ]
