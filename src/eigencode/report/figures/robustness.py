"""Figure 1 of the paper: relative accuracy against eps above, critical sizes of all images below."""

import torch
from matplotlib.figure import Figure

from eigencode.report.figures._style import DOUBLE, colours, label, lines_of
from eigencode.report.run import StudyRun
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve

COLUMNS = 3

CROWDED = 24
"""Letters of model names that fit below a panel without rotation."""


def robustness(run: StudyRun, data: str) -> Figure | None:
    """Plot one column per attack: curves (mean and range over seeds) and boxes (all images and seeds, 5 % to 95 %)."""
    curves, sizes = (lines_of(run.quantities(kind), COLUMNS) for kind in ("curve", "critical"))
    lines = [(_curves, names) for names in curves] + [(_boxes, names) for names in sizes]
    if not lines:
        return None
    columns = max(len(names) for _, names in lines)
    figure = Figure(figsize=(DOUBLE, 2.4 * len(lines) + 0.3))
    panels = figure.subplots(len(lines), columns, squeeze=False)
    colour = colours(run.models)
    for row, (draw, names) in zip(panels, lines, strict=True):
        for axes, name in zip(row, names, strict=False):
            draw(axes, run, data, name, colour)
        for axes in row[len(names) :]:
            axes.set_axis_off()
    if curves:
        for row in panels[: len(curves)]:
            row[0].set_ylabel("relative accuracy")
        handles, words = panels[0][0].get_legend_handles_labels()
        if words:
            figure.legend(handles, words, loc="outside upper center", ncols=min(len(words), 7))
    return figure


def _curves(axes, run: StudyRun, data: str, name: str, colour: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    for model in run.models:
        found = run.load(Curve, data=data, model=model, quantity=name)
        if found:
            values = torch.stack([c.relative_accuracy for c in found])
            axes.semilogx(found[0].eps, values.mean(0), color=colour[model], label=label(model))
            axes.fill_between(found[0].eps, values.amin(0), values.amax(0), color=colour[model], alpha=0.2, lw=0)
            axes.set_xlabel(found[0].axis)
    axes.set_title(label(name))
    axes.set_ylim(-0.02, 1.02)


def _boxes(axes, run: StudyRun, data: str, name: str, colour: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    for place, model in enumerate(run.models):
        found = run.load(CriticalSizes, data=data, model=model, quantity=name)
        sizes = torch.cat([torch.zeros(0, dtype=torch.float64), *(c.size for c in found)])
        if not len(sizes):
            continue
        box = axes.boxplot(
            sizes.numpy(),
            positions=[place],
            widths=0.6,
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            medianprops={"color": "black"},
        )
        box["boxes"][0].set_facecolor(colour[model])
        censored = float(torch.cat([c.censored for c in found]).double().mean())
        if censored:
            chance = sum(int((c.censored & c.alone).sum()) for c in found if c.alone is not None) / len(sizes)
            told = f"{censored:.0%} ≥" + (f"\n({chance:.0%} chance)" if chance else "")
            axes.annotate(told, (place, float(sizes.quantile(0.95))), ha="center", va="bottom", fontsize=5)
    axes.set_yscale("log")
    crowded = sum(map(len, run.models)) > CROWDED
    turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(run.models)), [label(m) for m in run.models], **turned)
    axes.set_title(label(name))
    axes.set_ylabel("L2 of perturbation")
