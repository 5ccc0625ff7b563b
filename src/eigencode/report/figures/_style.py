"""Common style of all figures: colour-blind safe, one colour per model, reproducible files."""

import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from eigencode.base.durable import written
from eigencode.base.text import printable

matplotlib.use("Agg")

PALETTE = ("#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
"""Colour-blind safe palette of Okabe and Ito (2008)."""

MODELS = (*PALETTE, *(f"#{''.join(f'{round(0.55 * int(c[i : i + 2], 16)):02X}' for i in (1, 3, 5))}" for c in PALETTE))
"""Colours of models: the palette, then each of its colours darkened to 55 %."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

DATA = "#000000"

DOUBLE = 7.0
"""Width of a double column in inches."""

SETTINGS = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
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


def colours(models: list[str]) -> dict[str, str]:
    """Colour of each model by its position in the study; colours repeat after 16 models."""
    return {model: MODELS[i % len(MODELS)] for i, model in enumerate(models)}


def lines_of(names: list[str], columns: int) -> list[list[str]]:
    """Split names into rows of at most `columns`.

    >>> lines_of(["a", "b", "c"], 2)
    [['a', 'b'], ['c']]
    """
    return [names[i : i + columns] for i in range(0, len(names), columns)]


def grid(
    count: int, height: float, columns: int = 3, sharex: bool = False, sharey: bool = False, ylabel: str = ""
) -> tuple[Figure, np.ndarray]:
    """Create a figure with `count` panels, at most `columns` per row; each row is `height` inches high.

    Returns the figure and its panels by row and column, the first of each row with `ylabel`.  Panels beyond `count` are
    invisible; a shared axis has tick labels below the last panel of each column.

    >>> figure, panels = grid(5, 2.0)
    >>> panels.shape, [axes.axison for axes in panels.ravel()]
    ((2, 3), [True, True, True, True, True, False])
    """
    columns = min(columns, count)
    lines = -(-count // columns)
    figure = Figure(figsize=(DOUBLE, lines * height))
    panels = figure.subplots(lines, columns, squeeze=False, sharex=sharex, sharey=sharey)
    for axes in panels.ravel()[count:]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(ylabel)
    for axes in lowest(panels, count):
        axes.tick_params(labelbottom=True)
    return figure, panels


def lowest(panels: np.ndarray, count: int) -> list[Axes]:
    """The lowest of the `count` visible panels in each column.

    >>> _, panels = grid(5, 2.0)
    >>> [panels.ravel().tolist().index(axes) for axes in lowest(panels, 5)]
    [2, 3, 4]
    """
    return list(panels.ravel()[max(0, count - panels.shape[1]) : count])


def few_log_ticks(axis: Axis) -> None:
    """Set three to six round tick labels on a logarithmic axis, where possible."""
    low, high = sorted(axis.get_view_interval())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [t for d in decades for t in (s * 10.0**d for s in steps) if low <= t <= high]
        if len(ticks) >= 3:
            ticks = ticks[:: -(-len(ticks) // 6)]
            break
    if len(ticks) < 3:
        ticks = [t for t in MaxNLocator(4).tick_values(low, high) if low <= t <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(StrMethodFormatter("{x:.10g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_below(figure: Figure, axes: Axes, columns: int = 6) -> None:
    """Put one legend, with the labels of `axes`, below all panels of the figure."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", ncols=columns)


def around(values: list[float]) -> tuple[float, float]:
    """Axis limits around values with a margin, whatever the length of their intervals.

    >>> around([1.0, 3.0])
    (0.0, 4.0)
    """
    low, high = min(values), max(values)
    room = 0.5 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def label(name: str) -> str:
    """Escape a name for matplotlib ($ and leading _) and shorten it to 40 characters."""
    shown = printable(name, longest=40).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def save(figure: Figure, path: Path) -> list[Path]:
    """Write PATH.png, PATH.svg and PATH.pdf, each atomically, with identical bytes for identical figures."""
    files = [path.with_name(path.name + suffix) for suffix in (".png", ".svg", ".pdf")]
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # characters that the font lacks
        png, svg, pdf = (stack.enter_context(written(file)) for file in files)
        figure.savefig(png, format="png", metadata={"Software": None})
        figure.set_layout_engine("none")  # reuse the layout, which takes as long as drawing
        dpi = matplotlib.rcParams["savefig.dpi"]  # of pixels inside; `savefig` would draw the figure twice
        dpi = figure.dpi if dpi == "figure" else dpi
        figure.set_dpi(dpi)
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})
        figure.set_dpi(dpi)
        metadata = {"CreationDate": None, "Creator": None, "Producer": None}
        FigureCanvasPdf(figure).print_pdf(pdf, metadata=metadata)
    return files
