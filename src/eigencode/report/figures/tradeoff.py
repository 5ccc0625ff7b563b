"""Figure A2 of the paper: test accuracy against median critical size."""

import math

from matplotlib.figure import Figure

from eigencode.report.figures._style import MARKERS, colours, few_log_ticks, grid, label, legend_below
from eigencode.report.run import StudyRun


def tradeoff(run: StudyRun, data: str) -> Figure | None:
    """Plot one panel per attack, with one point per model and seed."""
    sizes = run.quantities("critical")
    if not sizes:
        return None
    figure, panels = grid(len(sizes), 2.3, sharey=True, ylabel="test accuracy")
    colour = colours(run.models)
    rows = [r for r in run.results["rows"] if r["data"] == data and math.isfinite(r["value"])]
    values = {(r["model"], r["seed"], r["quantity"]): r["value"] for r in rows}
    for axes, name in zip(panels.ravel(), sizes, strict=False):
        for i, model in enumerate(run.models):
            points = [
                (values[model, seed, name], values[model, seed, "test accuracy"])
                for seed in run.results["study"]["seeds"]
                if (model, seed, name) in values and (model, seed, "test accuracy") in values
            ]
            style = {"color": colour[model], "marker": MARKERS[i % len(MARKERS)], "ls": "", "ms": 5}
            axes.plot([p[0] for p in points], [p[1] for p in points], label=label(model), **style)
        axes.set_xscale("log")
        few_log_ticks(axes.xaxis)
        axes.set_title(label(name))
        axes.set_xlabel("median (L2)")
    legend_below(figure, panels[0, 0])
    return figure
