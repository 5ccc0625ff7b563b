"""Numbers of snapshots of a training: which there are, and the places of a slider that shows one after the other."""

from bisect import bisect_left
from typing import Any

from eigencode.report._numbers import ranged
from eigencode.report.figures.plot import thinned
from eigencode.report.view import Series, View

PLACES = 48
"""Most places of the slider over training."""

DETAILS = ("participation ratio", "RankMe", "converged", "winning")
"""Ends of the names of further numbers that are worth a panel, beside those of the headline."""


def measured(view: View, data: str, details: tuple[str, ...] = DETAILS) -> list[str]:
    """Names of the quantities of snapshots: those of the headline, then those that end in `details`."""
    keys = (key for run in view.runs for key in run.numbers)
    found = dict.fromkeys(q for _, snapshots, where, _, q in keys if snapshots and where == data)
    first = [q for run in view.runs for q in run.results["headline"] if q in found]
    return list(dict.fromkeys([*first, *(q for q in found if details and q.endswith(details))]))


def moments(series: Series, quantity: str | None = None) -> dict[int, float]:
    """The epochs at which a model was measured, by their steps; of one quantity, or of any."""
    cells = [c for c in series.run.results["cells"] if (c["data"], c["model"]) == (series.data, series.model)]
    cells = [c for c in cells if quantity is None or c["quantity"] == quantity]
    return dict(sorted((c["step"], c["epoch"]) for c in cells if c["step"] is not None))


def frames(view: View, data: str) -> list[int]:
    """The places of the slider: the steps at which any model was measured, evenly thinned if they are too many."""
    steps = sorted({step for series in view.series(data) for step in moments(series)})
    return [steps[i] for i in thinned(len(steps), 1, PLACES)]


def spans(steps: list[int], places: list[int]) -> dict[int, tuple[int, int]]:
    """The first and the last place of the slider at which each snapshot is shown: until the next one of its model.

    >>> spans([0, 3, 4, 9], [0, 1, 3, 9])
    {0: (0, 1), 3: (2, 2), 9: (3, 3)}
    """
    starts = [*(bisect_left(places, step) for step in steps), len(places)]
    found = zip(steps, starts, starts[1:], strict=False)
    return {step: (first, beyond - 1) for step, first, beyond in found if first < beyond}


def _until(entries: dict[int, dict[str, Any]], step: int) -> dict[str, Any] | None:
    """The last of the entries, by their steps, at this step or before."""
    before = [known for known in entries if known <= step]
    return entries[max(before)] if before else None


def told(view: View, data: str, names: list[str], places: list[int]) -> list[dict[str, Any]]:
    """The numbers of every snapshot for a table beside the slider: means with their intervals."""
    rows = []
    for series in view.series(data):
        found = {name: {e["step"]: e for e in series.numbers(name, "summary", snapshots=True)} for name in names}
        for step, span in spans(list(moments(series)), places).items():
            entries = [_until(found[name], step) for name in names]
            cells = [ranged(e["mean"], e["low"], e["high"]) if e else "" for e in entries]
            rows.append({"m": series.where[0], "r": series.where[1], "frames": span, "step": step, "cells": cells})
    return rows
