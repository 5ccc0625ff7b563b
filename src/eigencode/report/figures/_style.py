"""Common style of all figures, and their files with identical bytes for identical results."""

import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from eigencode.base.durable import replacing
from eigencode.base.text import printable

matplotlib.use("Agg")

WIDTH, HEIGHT = 7.0, 9.0
"""Width of a double column and largest height of a figure, in inches."""

SETTINGS = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 220,
    "svg.hashsalt": "eigencode",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # embed text as text: searchable and editable
    "figure.constrained_layout.use": True,
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the settings of all figures inside the block; restore those of matplotlib afterwards."""
    with matplotlib.rc_context(SETTINGS):
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Draw without warnings about characters that the font lacks: names are what they are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


def log_axis(axis: XAxis | YAxis) -> None:
    """Make an axis logarithmic with at most six labels; for less than two decades these are round numbers."""
    (axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale)("log")
    axis.set_minor_formatter(NullFormatter())
    low, high = sorted(axis.get_view_interval())
    if high > 100 * low:
        axis.set_major_locator(LogLocator(numticks=6))
        return
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [t for d in decades for t in (s * 10.0**d for s in steps) if low <= t <= high]
        if len(ticks) >= 3:
            ticks = ticks[:: -(-len(ticks) // 5)]
            break
    if len(ticks) < 3:
        ticks = [t for t in MaxNLocator(4).tick_values(low, high) if low <= t <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.10g}"))
    axis.set_minor_locator(NullLocator())


def log_axes(axes: Axes) -> None:
    """Make both axes logarithmic, see `log_axis`."""
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)


def steps_axis(axes: Axes, steps: Sequence[int]) -> None:
    """Make the x axis logarithmic for training steps that include 0: linear from 0 to the first step after it."""
    first, last = min((s for s in steps if s > 0), default=1), max(steps)
    axes.set_xscale("symlog", linthresh=first, linscale=0.5)
    axes.set_xlim(-0.2 * first, max(last, first) * 1.25)
    decades = [10**k for k in range(12) if first <= 10**k <= last]
    ticks = decades[:: -(-len(decades) // 4)] if len(decades) > 1 else [first, last]
    axes.xaxis.set_major_locator(FixedLocator([0, *ticks]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}" if x < 1e4 else f"{x / 1000:.4g}k"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("training steps")


def around(values: list[float], margin: float = 0.25) -> tuple[float, float]:
    """Axis limits around values with a margin.

    >>> around([1.0, 3.0])
    (0.5, 3.5)
    """
    low, high = min(values), max(values)
    room = margin * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def spread(values: Sequence[float], decades: float = 1.5) -> bool:
    """True if values need a logarithmic axis: positive, and further apart than `decades`."""
    return min(values) > 0 and max(values) > 10**decades * min(values)


def apart(values: Sequence[float], gap: float, highest: float = 0.97) -> list[float]:
    """Move numbers until they are `gap` apart and at most `highest`, keeping their order.

    >>> apart([0.5, 0.25, 0.5], 0.25, 1.0)
    [0.5, 0.25, 0.75]
    >>> apart([0.875, 1.0], 0.25, 1.0)
    [0.75, 1.0]
    """
    order, found = sorted(range(len(values)), key=values.__getitem__), list(values)
    for below, above in pairwise(order):
        found[above] = max(found[above], found[below] + gap)
    for i in reversed(order):
        found[i] = min(found[i], highest)
        highest = found[i] - gap
    return found


def rotated(axes: Axes, names: list[str], room: int = 18) -> None:
    """Label the places 0, 1, … of the x axis by names; turn them if they have more than `room` letters together."""
    turned: dict[str, Any] = (
        {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, names)) > room else {}
    )
    axes.set_xticks(range(len(names)), [label(n, 20) for n in names], **turned)


def wrapped(text: str, width: int = 30) -> str:
    r"""A text in two lines at most, for the label of an axis.

    >>> wrapped("share of 1000 test images that are right and more than that, really", 20)
    'share of 1000 test\nimages that [...]'
    """
    lines = textwrap.wrap(printable(text), width, max_lines=2)
    return "\n".join(line.replace("$", r"\$") for line in lines)


def label(name: str, longest: int = 40) -> str:
    """Escape a name for matplotlib ($ and leading _) and shorten it to 40 characters."""
    shown = printable(name, longest=longest).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def save(figure: Figure, path: Path) -> list[Path]:
    """Write PATH.png, PATH.svg and PATH.pdf, each atomically, with identical bytes for identical figures."""
    files = [path.with_name(path.name + suffix) for suffix in (".png", ".svg", ".pdf")]
    png, svg, pdf = (BytesIO() for _ in files)  # matplotlib loses the error of a full disk
    with quiet():
        figure.savefig(png, format="png", metadata={"Software": None})
        figure.set_layout_engine("none")  # reuse the layout, which takes as long as drawing
        dpi = matplotlib.rcParams["savefig.dpi"]  # of pixels inside; `savefig` would draw the figure twice
        dpi = figure.dpi if dpi == "figure" else dpi
        figure.set_dpi(dpi)
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
        figure.set_dpi(dpi)
        metadata = {"CreationDate": None, "Creator": None, "Producer": None}
        FigureCanvasPdf(figure).print_pdf(pdf, metadata=metadata)
    for file, drawn in zip(files, (png, svg, pdf), strict=True):
        with replacing(file) as part:
            part.write_bytes(drawn.getvalue())
    return files
