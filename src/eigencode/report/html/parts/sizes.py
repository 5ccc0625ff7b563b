"""Critical sizes: Kaplan-Meier quantiles, and the distribution over images of all seeds."""

import math
from typing import Any

import torch

from eigencode.report.html._thinned import digits, picked, room
from eigencode.report.html.shown import Shown
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.survival import quantile

CHARACTERS, EACH = 400_000, 8
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def sizes(shown: Shown) -> list[dict[str, Any]]:
    """Data of the critical sizes: one entry per run, data set, model and attack.

    `quantiles`: Kaplan–Meier, 5 25 50 75 95 %, "Infinity" if too many images are censored.  `sorted`: sizes of every
    k-th image in ascending order, for a censored one the largest size tried.  `chance`: how many of the censored images
    share their class with the noise alone.
    """
    series = sum(1 for item in shown.combinations() for _ in item.run.quantities("critical"))
    points = room(CHARACTERS, series, EACH, 15, 400)
    entries = []
    for item, quantity, found in shown.found("critical", CriticalSizes):
        size, censored = torch.cat([c.size for c in found]), torch.cat([c.censored for c in found])
        ordered = size.sort().values
        values = [quantile(size, censored, q).value for q in QUANTILES]
        entry = {
            **item.entry(shown.quantities.index(quantity)),
            "seeds": len(found),
            "images": len(size),
            "censored": int(censored.sum()),
            "chance": sum(int((c.censored & c.alone).sum()) for c in found if c.alone is not None),
            "axis": f"L2 of the perturbation, {found[0].space} space",
            "quantiles": [v if not math.isfinite(v) else digits([v])[0] for v in values],
            "sorted": digits(ordered[picked(len(ordered), points)]),
        }
        entries.append(entry)
    return entries
