"""Effect of each departure of the published code: the same number with it on and off."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eigencode.report.figures._style import DOUBLE, PALETTE, around, label
from eigencode.report.run import StudyRun

ON, OFF = PALETTE[2], PALETTE[1]
COLUMNS = 3


def deviations(run: StudyRun, data: str) -> Figure | None:
    """Plot one panel per quantity, one row per departure and model: published (filled) and corrected (open), 95 %."""
    found = [e for e in run.results["deviations"] if e["data"] == data and _known(e)]
    quantities = list(dict.fromkeys(e["quantity"] for e in found))
    if not found:
        return None
    groups = [[e for e in found if e["quantity"] == q] for q in quantities]
    rows = [groups[i : i + COLUMNS] for i in range(0, len(groups), COLUMNS)]
    heights = [0.9 + 0.3 * max(len(g) for g in row) for row in rows]
    figure = Figure(figsize=(DOUBLE, sum(heights) + 0.3))
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, row in zip(parts, rows, strict=True):
        panels = part.subplots(1, min(COLUMNS, len(groups)), squeeze=False)[0]
        for axes, group in zip(panels, row, strict=False):
            _panel(axes, group)
        for axes in panels[len(row) :]:
            axes.set_axis_off()
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper right", ncols=2)
    return figure


def _panel(axes: Axes, group: list[dict[str, Any]]) -> None:
    for place, effect in enumerate(group):
        axes.plot([effect["corrected"], effect["published"]], [place, place], color="0.8", lw=2, zorder=0)
        for kind, colour, face, shift in (("published", ON, ON, -0.12), ("corrected", OFF, "white", 0.12)):
            value, low, high = (effect[f"{kind}{end}"] for end in ("", "_low", "_high"))
            if math.isfinite(low) and math.isfinite(high):
                axes.plot([low, high], [place + shift] * 2, color=colour, lw=1)
            name = {"published": "as published", "corrected": "corrected"}[kind]
            axes.plot(
                value, place + shift, "o" if kind == "published" else "s", color=colour, mfc=face, ms=4,
                label=name if place == 0 else None,
            )  # fmt: skip
    axes.set_yticks(range(len(group)), [f"{e['id']}, {label(e['model'])}" for e in group])
    axes.set_ylim(len(group) - 0.5, -0.5)
    axes.set_title(label(group[0]["quantity"]))
    axes.set_xlim(*around([effect[kind] for effect in group for kind in ("published", "corrected")]))


def _known(effect: dict[str, Any]) -> bool:
    return math.isfinite(effect["published"]) and math.isfinite(effect["corrected"])
