"""Accuracy over perturbation size: mean and range over seeds."""

from typing import Any

from eigencode.report.html._thinned import digits, over_seeds, picked, room
from eigencode.report.html.shown import Shown
from eigencode.robustness.curve import Curve

CHARACTERS, EACH = 400_000, 7 * 7


def curves(shown: Shown) -> list[dict[str, Any]]:
    """Data of the accuracy curves: one entry per run, data set, model and curve."""
    series = sum(1 for item in shown.combinations() for _ in item.run.quantities("curve"))
    points = room(CHARACTERS, series, EACH, 10, 80)
    entries = []
    for item, quantity, found in shown.found("curve", Curve):
        chosen = picked(len(found[0].eps), points)
        entry = {
            **item.entry(shown.quantities.index(quantity)),
            "seeds": len(found),
            "points": len(found[0].eps),
            "axis": found[0].axis,
            "eps": digits(found[0].eps[chosen]),
            "relative": over_seeds([c.relative_accuracy for c in found], chosen),
            "absolute": over_seeds([c.accuracy for c in found], chosen),
        }
        entries.append(entry)
    return entries
