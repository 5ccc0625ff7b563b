"""Plot every number with and without each departure of the published code."""

import math
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from eigencode.report._results import finished
from eigencode.report.figures._style import HEIGHT, around, label, wrapped
from eigencode.report.figures.plot import Plot, few
from eigencode.report.view import PALETTE, Series, View

KINDS = {"published": (PALETTE[2], PALETTE[2], "o", -0.12), "corrected": (PALETTE[1], "white", "s", 0.12)}
MOST = 40
"""Most rows of a panel."""


def deviations(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per quantity, one row per departure and model: published (filled) and corrected (open), 95 %."""
    of = {(s.model, s.run.folder): s for s in view.series(data)}
    found = [
        (of[e["model"], run.folder], e)
        for run in view.runs
        for e in run.results["deviations"]
        if e["data"] == data and math.isfinite(e["published"]) and math.isfinite(e["corrected"])
    ]
    groups: dict[str, list[tuple[Series, dict]]] = {}
    for series, effect in found:
        groups.setdefault(effect["quantity"], []).append((series, effect))
    panels = [(name, several[i : i + MOST]) for name, several in groups.items() for i in range(0, len(several), MOST)]
    height = 0.8 + 0.2 * max((len(some) for _, some in panels), default=0)
    each = 3 * int(HEIGHT / height)
    for first in range(0, len(panels), each):
        shown = panels[first : first + each]
        plot = Plot(view, len(shown), height)
        plot.legend = False
        plot.keys = [
            Line2D([], [], color=c, mfc=f, marker=m, ls="", label="as published" if k == "published" else k)
            for k, (c, f, m, _) in KINDS.items()
        ]
        for axes, (name, group) in zip(plot.panels, shown, strict=True):
            _panel(plot, axes, group)
            axes.set(title=label(name), xlabel=wrapped(_convention(view, data, name)))
        yield plot


def _convention(view: View, data: str, name: str) -> str:
    entries = (e for run in view.runs for e in finished(run.results["summary"]))
    rows = (e for e in entries if (e["data"], e["quantity"]) == (data, name))
    return str(next((r["convention"] for r in rows), name))


def _panel(plot: Plot, axes: Axes, group: list[tuple[Series, dict]]) -> None:
    for place, (series, effect) in enumerate(group):
        axes.plot([effect["corrected"], effect["published"]], [place, place], color="0.8", lw=2, zorder=0)
        for kind, (colour, face, marker, shift) in KINDS.items():
            value, low, high = (effect[f"{kind}{end}"] for end in ("", "_low", "_high"))
            artists = axes.plot(value, place + shift, marker, color=colour, mfc=face, ms=4)
            if math.isfinite(low) and math.isfinite(high):
                artists += axes.plot([low, high], [place + shift] * 2, color=colour, lw=1)
            what = f"{effect['id']}, {kind}"
            plot.mark(artists, axes, series, [value], [place + shift], [low], [high], what=what)
    axes.set_yticks(range(len(group)), [f"{e['id']}, {label(s.label, 24)}" for s, e in group])
    axes.set_ylim(len(group) - 0.5, -0.5)
    axes.set_xlim(*around([e[kind] for _, e in group for kind in KINDS]))
    few(axes)
