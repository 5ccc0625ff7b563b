"""Bias and coverage of estimators of noisy spectra against the signal-to-noise ratio."""

import math
from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from eigencode.report.figures._style import around, label
from eigencode.report.figures.plot import Plot, few
from eigencode.report.run import StudyRun
from eigencode.report.view import PALETTE, Series, View
from eigencode.study._measurements import calibrated
from eigencode.study._planted import Planted, Population
from eigencode.study.steps.calibration import PARAMETERS

MARKS = dict(zip(("", *PARAMETERS), ("o", "v", "s", "^"), strict=True))
"""Markers of α and of the parameters of a broken law."""

LANE = 1.06
"""Ratio of the places of two estimators on the axis of signal-to-noise ratios."""


def noise_of(run: StudyRun) -> Planted | None:
    """The calibration of a study, if its populations have noise."""
    planted = run.results["study"].get("calibration") or {}
    return Planted.model_validate(planted) if planted.get("noise") else None


def calibration(view: View, data: str) -> Iterator[Plot]:
    """Plot bias and coverage, one pair of panels per law: a colour per estimator, open where most fits are warned."""
    found = [(s, *place) for s in view.series(data) if (place := _place(s)) is not None]
    laws = list(dict.fromkeys(law for _, _, law, _ in found))
    if not laws:
        return
    readers = list(dict.fromkeys(r for run in view.runs for r in calibrated(noise_of(run))))
    plot = Plot(view, 2 * len(laws), 1.6, columns=4)
    plot.legend = False
    for i, law in enumerate(laws):
        here = [(s, p, part) for s, p, other, part in found if other == law]
        for k, what in enumerate(("bias", "coverage")):
            axes, heights = plot.panels[2 * i + k], []
            for r, reads in enumerate(readers):
                colour, shift = PALETTE[1 + r % (len(PALETTE) - 1)], LANE ** (r - (len(readers) - 1) / 2)
                name = f"{reads.name}, {reads.shown[k]}"
                for part in MARKS:
                    if not (what == "bias" and part == "break_rank"):  # in ranks
                        these = [(s, p.snr * shift) for s, p, other in here if other == part]
                        heights += _draw(plot, axes, these, name, f"{reads.name}, warned", MARKS[part], colour)
            axes.axhline(0.0 if what == "bias" else 0.95, color="0.6", lw=0.6, zorder=0)
            axes.set_ylim(*(around([0.0, *heights], 0.1) if what == "bias" else (-0.04, 1.04)))
            axes.set(title=label(law), ylabel=what)
            few(axes, "y")
            _ratios(axes, sorted({p.snr for _, p, _ in here}))
    for r, reads in enumerate(readers):
        plot.keys.append(Line2D([], [], color=PALETTE[1 + r % (len(PALETTE) - 1)], marker="o", label=reads.name))
    if any(part for *_, part in found):
        named = [("o", "α"), *((MARKS[part], PARAMETERS[part]) for part in PARAMETERS)]
        plot.keys += [Line2D([], [], color="0.4", ls="", marker=marker, label=name) for marker, name in named]
    yield plot


def _place(series: Series) -> tuple[Population, str, str] | None:
    """Population, law and parameter that a model stands for; None without noise."""
    planted = noise_of(series.run)
    if planted is None:
        return None
    for p in planted.populations():
        for part in MARKS:
            if p.data == series.data and series.model == p.of(part):
                law = p.model.rpartition(", ")[0]
                return p, law if len(planted.kinds) > 1 else law.removeprefix(f"{p.kind}, "), part
    return None


def _draw(
    plot: Plot, axes: Axes, these: list[tuple[Series, float]], name: str, doubt: str, marker: str, colour: str
) -> list[float]:
    """Draw the numbers of one estimator over the ratios, and return them."""
    known = []
    for series, x in sorted(these, key=lambda each: each[1]):
        rows = [row for row in series.numbers(name) if math.isfinite(row["value"])]
        warned = any(row["value"] > 0.5 for row in series.numbers(doubt)) and "where identified" in name
        for row in rows:
            y, low, high = row["value"], row["low"], row["high"]
            look: dict[str, Any] = {"color": colour, "marker": marker, "mfc": "white" if warned else colour, "ms": 3}
            artists = axes.plot(x, y, **look)
            if plot.intervals and math.isfinite(low) and math.isfinite(high):
                artists += axes.plot([x, x], [low, high], color=colour, lw=0.7)
            plot.mark(artists, axes, series, [x], [y], [low], [high], what=name)
            known.append((x, y))
    axes.plot([x for x, _ in known], [y for _, y in known], color=colour, lw=0.6, alpha=0.6)
    return [y for _, y in known]


def _ratios(axes: Axes, ratios: list[float]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ratios))
    axes.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(ratios[0] / 1.4, ratios[-1] * 1.4)
    axes.set_xlabel("signal-to-noise ratio")
