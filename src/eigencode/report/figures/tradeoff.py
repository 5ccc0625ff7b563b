"""Figure A2 of the paper: test accuracy against median critical size."""

import math

from matplotlib.figure import Figure

from eigencode.report.figures.style import DOUBLE, MARKERS, colours, label
from eigencode.report.run import StudyRun


def tradeoff(run: StudyRun, data: str) -> Figure | None:
    """One panel per attack, one point per model and seed."""
    sizes = run.quantities("critical")
    if not sizes:
        return None
    figure = Figure(figsize=(DOUBLE, 2.3))
    panels = figure.subplots(1, len(sizes), squeeze=False, sharey=True)[0]
    colour = colours(run.models)
    rows = [r for r in run.results["rows"] if r["data"] == data and math.isfinite(r["value"])]
    values = {(r["model"], r["seed"], r["quantity"]): r["value"] for r in rows}
    for axes, name in zip(panels, sizes, strict=True):
        for i, model in enumerate(run.models):
            points = [
                (values[model, seed, name], values[model, seed, "test accuracy"])
                for seed in run.results["study"]["seeds"]
                if (model, seed, name) in values and (model, seed, "test accuracy") in values
            ]
            style = {"color": colour[model], "marker": MARKERS[i % len(MARKERS)], "ls": "", "ms": 5}
            axes.plot([p[0] for p in points], [p[1] for p in points], label=label(model), **style)
        axes.set_xscale("log")
        axes.set_xlabel(f"median {label(name)} (L2)")
    panels[0].set_ylabel("test accuracy")
    panels[0].legend(loc="best")
    return figure
