"""Test accuracy and median critical size, a point per seed."""

import math
from typing import Any

from eigencode.report.html._thinned import digits
from eigencode.report.html.shown import Shown

ACCURACY = "test accuracy"


def tradeoff(shown: Shown) -> list[dict[str, Any]]:
    """Data of the trade-off: one entry per run, data set, model, attack and seed, with intervals over images."""
    entries = []
    for item in shown.combinations():
        rows = [
            r
            for r in item.run.results["rows"]
            if r["data"] == item.data_name and r["model"] == item.model_name and math.isfinite(r["value"])
        ]
        accuracy = {r["seed"]: r for r in rows if r["quantity"] == ACCURACY}
        attacks = item.run.quantities("critical")
        for row in rows:
            if row["quantity"] in attacks and row["seed"] in accuracy:
                numbers = {"size": _interval(row), "accuracy": _interval(accuracy[row["seed"]])}
                quantity = shown.quantities.index(row["quantity"])
                entries.append({**item.entry(quantity), "seed": row["seed"], **numbers})
    return entries


def _interval(row: dict[str, Any]) -> list[float]:
    return digits([row["value"], row["low"], row["high"]], 5)
