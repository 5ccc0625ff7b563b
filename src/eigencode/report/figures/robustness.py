"""Figure 1 of the paper: relative accuracy against eps, and the critical sizes of all images."""

from collections.abc import Iterator
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch

from eigencode.report.figures._style import label, log_axis, rotated
from eigencode.report.figures.plot import Plot, thinned
from eigencode.report.view import Series, View
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve

BOXES = 24
"""Most boxes of a panel; the page of many runs shows the first ones."""


def robustness(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel of curves (mean and range over seeds) and one of boxes (images of all seeds) per attack."""
    curves = view.each("curve", data, lambda name: view.found(data, Curve, quantity=name))
    sizes = view.each("critical", data, lambda name: view.found(data, CriticalSizes, quantity=name))
    if curves:
        plot = Plot(view, len(curves), 2.3, caption="mean over seeds, the band is their range")
        for axes, (name, found) in zip(plot.panels, curves.items(), strict=True):
            for series, records in found:
                _curve(plot, axes, series, records, sum(map(len, curves.values())))
            axes.set(title=label(name), ylabel="relative accuracy", ylim=(-0.02, 1.04))
            axes.set_xlim(float(found[0][1][0].eps[0]), float(found[0][1][0].eps[-1]))
            log_axis(axes.xaxis)
        yield plot
    if sizes:
        plot = Plot(view, len(sizes), 2.5, caption="critical sizes of all images: median, quartiles, 5 % and 95 %")
        plot.legend = False
        for axes, (name, images) in zip(plot.panels, sizes.items(), strict=True):
            for place, (series, each) in enumerate(images[:BOXES]):
                _box(plot, axes, series, each, place)
            plot.left_out(len(images) - BOXES)
            rotated(axes, [series.label for series, _ in images[:BOXES]])
            axes.set_title(label(name), pad=11)
            axes.set(ylabel=f"L2 of the perturbation, {images[0][1][0].space} space")
            log_axis(axes.yaxis)
        yield plot


def _curve(plot: Plot, axes: Axes, series: Series, records: list[Curve], lines: int) -> None:
    chosen = thinned(len(records[0].eps), lines)
    values = torch.stack([c.relative_accuracy for c in records])[:, chosen]
    band = (values.amin(0), values.amax(0)) if len(records) > 1 else ()
    axes.set_xscale("log")
    plot.line(axes, series, records[0].eps[chosen], values.mean(0), *band)
    axes.set_xlabel(records[0].axis)


def _box(plot: Plot, axes: Axes, series: Series, records: list[CriticalSizes], place: int) -> None:
    """A box over the images; a censored one counts with the largest size tried, and their share is written above."""
    sizes = torch.cat([c.size for c in records])
    if not len(sizes):
        return
    look: dict[str, Any] = {"widths": 0.6, "whis": (5, 95), "showfliers": False, "medianprops": {"color": "black"}}
    box = axes.boxplot(sizes.numpy(), positions=[place], manage_ticks=False, patch_artist=True, **look)
    artists = [artist for several in box.values() for artist in several]
    for patch in artists:
        if isinstance(patch, PathPatch):
            patch.set_facecolor(series.colour)
    censored = float(torch.cat([c.censored for c in records]).double().mean())
    if censored:
        where: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "annotation_clip": False, "fontsize": 6}
        artists.append(axes.annotate(f"{censored:.0%}", (place, 1.0), ha="center", va="bottom", **where))
    low, middle, high = sizes.quantile(torch.tensor([0.05, 0.5, 0.95], dtype=sizes.dtype)).tolist()
    what = f"median and 90 % of {len(sizes)} images, {censored:.1%} never changed"
    chance = sum(int((c.censored & c.alone).sum()) for c in records if c.alone is not None) / len(sizes)
    what += f", {chance:.1%} because the noise alone is given their class" if chance else ""
    plot.mark(artists, axes, series, [place], [middle], [low], [high], what=what)
