"""A figure that knows its numbers: drawn once, it serves print, CSV and the page."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from eigencode.report.figures._style import HEIGHT, WIDTH, label
from eigencode.report.view import INK, Series, View

LEGEND_LINE = 0.17
"""Inches by which a figure grows for each line of its legend after the second."""

FEW = 10
"""Most runs of which points have their intervals drawn; the CSV has all."""

Numbers = torch.Tensor | Sequence[float] | None

COLUMNS = (
    *("run", "data", "model", "seed", "panel", "what"),
    *("x is", "x", "y is", "y", "low", "high", "value is", "value"),
)
"""Columns of the CSV of every figure; `low` and `high` are the interval, or the range over seeds, of y (or of x alone).
"""


class Plot:
    """A figure of `count` panels, at most `columns` per row, each row `height` inches high.

    Whatever shows a model is drawn through `line`, `map` or `mark`, so that the page can hide it and tell its numbers.
    `caption` is added to that of the figure; `more` is data for the script of the page.  `hidden` are the artists that
    print does not show.
    """

    def __init__(self, view: View, count: int, height: float, columns: int = 3, caption: str = "") -> None:
        columns = 2 if (count, columns) == (4, 3) else max(1, min(columns, count))
        rows = max(1, -(-count // columns))
        self.view, self.caption, self.more = view, caption, {}  # type: ignore[var-annotated]
        self.marks: list[dict[str, Any]] = []
        self.keys: list[Line2D] = []
        self.entries: list[tuple[Any, Any]] = []
        self.hidden: list[Artist] = []
        self.frames: tuple[list[int], bool] | None = None
        self.legend = True
        self.intervals = len(view.runs) <= FEW
        size = (WIDTH * min(1.0, 0.2 + 0.32 * columns), min(HEIGHT, rows * height + 0.3))
        self.figure = Figure(figsize=size)
        grid = self.figure.subplots(rows, columns, squeeze=False) if count else np.empty((0, 0))
        self.panels: list[Axes] = list(grid.ravel()[:count])
        for axes in grid.ravel()[count:]:
            axes.set_axis_off()
        for axes in self.panels:
            axes.tick_params(labelbottom=True, labelleft=True)

    def left_out(self, models: int) -> None:
        """Say in the caption how many models are not shown, if any."""
        if models > 0 and "not shown" not in self.caption:
            self.caption = f"{self.caption}; the last {models} models are not shown".removeprefix("; ")

    @contextmanager
    def between(self, first: int, last: int, printed: bool) -> Iterator[None]:
        """Show what is drawn inside only while the slider over training stands at one of these of its places."""
        self.frames = [first, last], printed
        yield
        self.frames = None

    def line(
        self,
        axes: Axes,
        series: Series,
        x: Numbers,
        y: Numbers,
        low: Numbers = None,
        high: Numbers = None,
        seed: int | None = None,
        faint: bool = False,
        what: str = "",
        **look: Any,
    ) -> Line2D:
        """Draw a line with the markers of its model at a few of its points, and the band from `low` to `high`."""
        marker = {} if faint else {"marker": series.marker, "markevery": _some(len(_array(x)), series.where[0])}
        style = {"color": series.colour, "ls": series.dash, **({"alpha": 0.45, "lw": 0.7} if faint else marker), **look}
        (line,) = axes.plot(_array(x), _array(y), **style)
        artists: list[Artist] = [line]
        if low is not None:
            band = {"color": style["color"], "alpha": 0.18, "lw": 0}
            artists.append(axes.fill_between(_array(x), _array(low), _array(high), **band))
        self.mark(artists, axes, series, x, y, low, high, seed=seed, what=what)
        return line

    def map(
        self, axes: Axes, series: Series, x: Numbers, y: Numbers, z: torch.Tensor, what: str, seed: int, **look: Any
    ) -> Any:
        """Draw the values z[x, y] as cells around the points x and y."""
        mesh = axes.pcolormesh(_array(x), _array(y), z.T.numpy(), rasterized=True, shading="nearest", **look)
        self.mark([mesh], axes, series, x, y, z=z.T, what=what, seed=seed)
        return mesh

    def mark(
        self,
        artists: Iterable[Artist],
        axes: Axes,
        series: Series,
        x: Numbers = None,
        y: Numbers = None,
        low: Numbers = None,
        high: Numbers = None,
        z: torch.Tensor | None = None,
        **more: Any,
    ) -> None:
        """Say that these artists belong to a model, and which numbers they show."""
        artists = list(artists)
        if self.frames is not None:
            more["frames"], printed = self.frames
            self.hidden += [] if printed else artists
        for k, artist in enumerate(artists):
            artist.set_gid(f"mark-{len(self.marks)}-{k}")
            artist.set_in_layout(False)  # inside its panel: the layout need not measure it
        arrays = {"x": x, "y": y, "low": low, "high": high, "z": z}
        known = {k: _digits(_array(v)) for k, v in arrays.items() if v is not None}
        extra = {k: v for k, v in more.items() if v not in (None, "")}
        self.marks.append({"series": series, "axes": axes, **known, **extra})

    @staticmethod
    def key(series: Series, words: str) -> Line2D:
        """An entry of a legend; a click on it hides the model on the page."""
        look: dict[str, Any] = {"color": series.colour, "marker": series.marker, "label": label(words)}
        return Line2D([], [], gid=f"key-{series.where[0]}", **look)

    def finish(self) -> "Plot":
        """Add the legend, and an identity to everything that the page may move."""
        seen = {m["series"].where[0]: m["series"] for m in reversed(self.marks)}
        runs = sorted({m["series"].where[1]: m["series"] for m in self.marks}.items())
        handles = [self.key(seen[m], seen[m].model) for m in sorted(seen) if self.legend]
        if 1 < len(runs) <= 6 and self.legend:
            handles += [Line2D([], [], color=INK, ls=s.dash, label=label(self.view.labels[r], 24)) for r, s in runs]
        handles += self.keys
        if handles:
            names = [str(h.get_label()) for h in handles]
            columns = max(1, min(len(names), int(16 * self.figure.get_figwidth() / (6 + max(map(len, names))))))
            lines = -(-len(names) // columns)
            self.figure.set_figheight(self.figure.get_figheight() + LEGEND_LINE * max(0, lines - 2))
            legend = self.figure.legend(handles=handles, loc="outside lower center", ncols=columns)
            self.entries = list(zip(legend.legend_handles, legend.get_texts(), strict=True))
            for k, (given, entry) in enumerate(zip(handles, self.entries, strict=True)):
                for part, artist in zip(("line", "text"), entry, strict=True):
                    artist.set_gid(f"{given.get_gid() or 'entry'}-{k}-{part}")
        for k, axes in enumerate(self.figure.axes):
            axes.set_gid(f"panel-{k}")
        self.show(False)
        return self

    def show(self, everything: bool) -> None:
        """Show what print does not show, or hide it."""
        for artist in self.hidden:
            artist.set_visible(everything)

    def content(self) -> dict[str, Any]:
        """The numbers of the figure for the page, after it was drawn: panels in SVG units, and marks."""
        axes = self.figure.axes
        where = {a: k for k, a in enumerate(axes)}
        boxes = [self._box(a.get_window_extent()) for a in axes]
        parts = [[a] for a in axes] + [list(entry) for entry in self.entries]
        pieces = [
            {"box": self._box(Bbox.union([self._tight(a) for a in part])), "ids": [a.get_gid() for a in part]}
            for part in parts
        ]
        panels = [
            {
                "box": box,
                **{n: [*map(float, getattr(a, f"get_{n}lim")()), *_scale(getattr(a, f"{n}axis"))] for n in "xy"},
                **self._names(a),
            }
            for a, box in zip(axes, boxes, strict=True)
        ]
        marks = [
            {
                **{k: v for k, v in mark.items() if k not in ("series", "axes")},
                "m": mark["series"].where[0],
                "r": mark["series"].where[1],
                "p": where[mark["axes"]],
            }
            for mark in self.marks
        ]
        return {"panels": panels, "pieces": pieces, "marks": marks, **self.more}

    def csv(self) -> str:
        """The numbers of the figure, a row per point."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(COLUMNS)
        for mark in self.marks:
            s, names = mark["series"], self._names(mark["axes"])
            head = [self.view.labels[s.where[1]], s.data, s.model, mark.get("seed", "")]
            head = [*map(_cell, (*head, names["title"], mark.get("what", "")))]
            x, y, z = (mark.get(k, []) for k in "xyz")
            if z:
                points = [(x[j], y[i], "", "", names["title"], v) for i, r in enumerate(z) for j, v in enumerate(r)]
            else:
                ends = [mark.get(k) or [""] * len(x) for k in ("low", "high")]
                points = [(*point, "", "") for point in zip(x, y, *ends, strict=True)]
            for px, py, *rest in points:
                writer.writerow([*head, _cell(names["xlabel"]), px, _cell(names["ylabel"]), py, *rest])
        return out.getvalue()

    @staticmethod
    def _tight(artist: Any) -> Bbox:
        if isinstance(artist, Axes):
            return Bbox(artist.get_tightbbox())  # type: ignore[arg-type]
        return Bbox(artist.get_window_extent().padded(4 * isinstance(artist, Line2D)))

    @staticmethod
    def _names(axes: Axes) -> dict[str, str]:
        names = {"title": axes.get_title() or axes.get_title("left"), "xlabel": axes.get_xlabel()}
        return {k: v.replace(r"\$", "$").strip() for k, v in (names | {"ylabel": axes.get_ylabel()}).items()}

    def _box(self, box: Any) -> list[float]:
        """Left, top, right and bottom in points from the upper left corner."""
        scale, high = 72 / self.figure.dpi, 72 * self.figure.get_figheight()
        return [
            round(float(v), 2) for v in (box.x0 * scale, high - box.y1 * scale, box.x1 * scale, high - box.y0 * scale)
        ]


def _scale(axis: XAxis | YAxis) -> list[Any]:
    """Name of a scale; of a symmetric logarithm also the end of its linear part and the decades this is as long as."""
    if axis.get_scale() != "symlog":
        return [axis.get_scale()]
    found: Any = axis.get_transform()
    return ["symlog", found.linthresh, found.linscale / (1 - 1 / found.base)]


def _some(count: int, m: int) -> list[int]:
    """Places of the markers of model `m` on a line of `count` points, seldom those of another model."""
    return sorted({int(count * (0.06 + 0.05 * (m % 9) + half)) for half in (0.0, 0.5)})


def few(axes: Axes, names: str = "x") -> None:
    """At most five numbers on a linear axis."""
    for name in names:
        getattr(axes, f"{name}axis").set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def thinned(count: int, lines: int, most: int = 160) -> list[int]:
    """Indices of at most `most` of `count` points, evenly spaced, both ends included; fewer on a page of many lines.

    >>> thinned(5, 1), thinned(9, 10**6)
    ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8])
    >>> len(thinned(1000, 10)), len(thinned(1000, 900))
    (160, 20)
    """
    points = max(15, min(most, 18_000 // max(1, lines)))
    if count <= points:
        return list(range(count))
    return sorted({round(float(v)) for v in np.linspace(0, count - 1, points)})


def _array(values: Numbers) -> np.ndarray:
    return values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _digits(values: np.ndarray) -> Any:
    """Five significant digits, as lists; None for a number that does not exist."""
    if values.ndim > 1:
        return [_digits(row) for row in values]
    if values.dtype.kind in "iub":
        return values.tolist()
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values.tolist()]


def _cell(value: object) -> object:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.strip()[:1] in tuple("=+-@") else value
