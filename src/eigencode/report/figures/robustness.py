"""Figure 1 of the paper: relative accuracy against eps above, critical sizes of all images below."""

import torch
from matplotlib.figure import Figure

from eigencode.report.figures.style import DOUBLE, colours, label
from eigencode.report.run import Measured
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve


def robustness(run: Measured, data: str) -> Figure | None:
    """Columns are attacks.  Curves: mean over seeds and range; boxes: images of all seeds, whiskers 5 % to 95 %."""
    curves, sizes = run.quantities("curve"), run.quantities("critical")
    columns = max(len(curves), len(sizes))
    if not columns:
        return None
    rows = bool(curves) + bool(sizes)
    figure = Figure(figsize=(DOUBLE, 2.5 * rows))
    panels = figure.subplots(rows, columns, squeeze=False)
    if rows == 2:
        for axes in (*panels[0][len(curves) :], *panels[1][len(sizes) :]):
            axes.set_axis_off()
    colour = colours(run.models)
    for axes, name in zip(panels[0], curves, strict=False):
        _curves(axes, run, data, name, colour)
    for axes, name in zip(panels[-1], sizes, strict=False):
        _boxes(axes, run, data, name, colour)
    if curves:
        panels[0][0].set_ylabel("relative accuracy")
        if panels[0][0].get_legend_handles_labels()[0]:
            panels[0][0].legend(loc="lower left")
    return figure


def _curves(axes, run: Measured, data: str, name: str, colour: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    for model in run.models:
        found = run.load(Curve, data=data, model=model, quantity=name)
        if found:
            values = torch.stack([c.relative_accuracy for c in found])
            axes.semilogx(found[0].eps, values.mean(0), color=colour[model], label=label(model))
            axes.fill_between(found[0].eps, values.amin(0), values.amax(0), color=colour[model], alpha=0.2, lw=0)
            noise = found[0].attack.startswith("Gaussian")
            size = "standard deviation" if noise else f"ε, {found[0].norm}"
            axes.set_xlabel(f"{size}, {found[0].space} space")
    axes.set_title(label(name))
    axes.set_ylim(-0.02, 1.02)


def _boxes(axes, run: Measured, data: str, name: str, colour: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
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
            axes.annotate(
                f"{censored:.0%} ≥", (place, float(sizes.quantile(0.95))), ha="center", va="bottom", fontsize=6
            )
    axes.set_yscale("log")
    axes.set_xticks(range(len(run.models)), [label(m) for m in run.models])
    axes.set_title(label(name))
    axes.set_ylabel("L2 of perturbation")
