"""Result of `profile`: a row of numbers per place, with a table, a figure and files."""

import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigencode.base import strict_json
from eigencode.base.durable import replacing
from eigencode.base.record import Estimate, Record, flat
from eigencode.base.text import printable
from eigencode.report.figures._style import WIDTH, label, log_axis, quiet, rotated, save, spread, style
from eigencode.report.view import MODELS
from eigencode.spectra.spectrum import Spectrum

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class PlaceProfile(Record):
    """The numbers of one place of one network.

    `units`: numbers per image after maps and tokens were reduced as `reduced` says, see `representation.reducer`.
    `alpha`, `plain`, `slope_range`: fitted over `window`, see `PowerLaw` and `Shape`.  Without a fit they are NaN, and
    `warnings` has the reason.  `participation_ratio`, `rankme`: of all eigenvalues.  `jacobian`: median over images of
    ‖∂z/∂x‖_F in pixel space; NaN if it was not measured.
    """

    network: str
    place: str
    type: str
    shape: tuple[int, ...]
    reduced: str
    units: int
    images: int
    window: tuple[int, int]
    alpha: Estimate
    plain: float
    slope_range: Estimate
    participation_ratio: float
    rankme: float
    jacobian: Estimate
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """Rows of `profile`, one per network and place, in order of execution; prints as a table.

    Attributes:
        rows: the numbers.
        spectra: the `Spectrum` of every (network, place).
        notes: sentences to show below the table.
    """

    rows: tuple[PlaceProfile, ...]
    spectra: Mapping[tuple[str, str], Spectrum]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[PlaceProfile]:
        return iter(self.rows)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all rows, each with its network and place; one of all places of a network stands once."""
        several = len({r.network for r in self.rows}) > 1
        count = Counter(r.network for r in self.rows)
        same = Counter((r.network, w) for r in self.rows for w in r.warnings)
        said = []
        for r in self.rows:
            for w in r.warnings:
                place = "all places" if 1 < count[r.network] == same[r.network, w] else r.place
                said.append(f"{f'{r.network}, ' * several}{place}: {w}")
        return tuple(dict.fromkeys(said))

    def to_frame(self) -> "pandas.DataFrame":
        """Convert to a `pandas.DataFrame`: a row per place, `alpha_low`, `alpha_high` and so on for intervals."""
        import pandas

        return pandas.DataFrame([_flat(row) for row in self.rows])

    def json(self) -> str:
        """The rows as strict JSON text: null for NaN."""
        return strict_json.dumps({"profile": [row.scalars() for row in self.rows], "notes": list(self.notes)})

    def figure(self) -> Figure:
        """Draw α, its range of slopes, the dimension and the Jacobian norm over the places, a line per network."""
        return _drawn(self)

    def save(self, folder: Path | str) -> Path:
        """Write profile.json, profile.csv and the figure (PDF, PNG, SVG) into a folder; return the path of the PDF."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save(self.figure(), folder / "profile")
        for name, text in (("profile.json", self.json() + "\n"), ("profile.csv", self.to_frame().to_csv(index=False))):
            with replacing(folder / name) as part:
                part.write_text(text, encoding="utf-8")
        return folder / "profile.pdf"

    def table(self) -> Table:
        """The rows as a `rich` table, with columns only for what was measured."""
        several = len({r.network for r in self.rows}) > 1
        slopes = any(not math.isnan(r.jacobian.value) for r in self.rows)
        table = Table(title="95 % intervals over images; ! marks a row with a warning", title_justify="left")
        maps = any(len(r.shape) > 1 for r in self.rows)
        names = [*["network"] * several, "place", *["maps"] * maps, "units", "images", "ranks", "α", "plain"]
        for name in [*names, "slope range", "participation ratio", "RankMe", *["Jacobian norm"] * slopes]:
            table.add_column(name, justify="left" if name in ("network", "place", "maps") else "right")
        for r in self.rows:
            cells = [
                f"{r.units}",
                f"{r.images}",
                f"{r.window[0]}..{r.window[1]}",
                _cell(r.alpha),
                _cell(Estimate(r.plain)),
            ]
            cells += [_cell(r.slope_range), f"{r.participation_ratio:.3g}", f"{r.rankme:.3g}"]
            name = printable(r.place) + " !" * bool(r.warnings)
            how = [r.reduced if len(r.shape) > 1 else ""] * maps
            table.add_row(
                *map(Text, [*[printable(r.network)] * several, name, *how, *cells, *[_cell(r.jacobian)] * slopes])
            )
        return table

    def show(self, console: Console) -> None:
        """Print the table, notes and warnings."""
        console.print(self.table())
        for line in (*(f"- {note}" for note in self.notes), *(f"! {warning}" for warning in self.warnings)):
            console.print(printable(line, 1000), markup=False)

    def __str__(self) -> str:
        out = io.StringIO()
        self.show(Console(file=out, width=10_000))
        return out.getvalue()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False, float_format=lambda v: f"{v:.4g}")
        return html


def _flat(row: PlaceProfile) -> dict[str, Any]:
    """A row as columns of a table: shapes and windows as text, an interval as two more columns."""
    joined = {"shape": " x ", "window": "..", "warnings": "; "}
    return {name: joined[name].join(map(str, v)) if name in joined else v for name, v in flat(row).items()}


def _cell(found: Estimate) -> str:
    if math.isnan(found.value):
        return ""
    return f"{found.value:.3g}" if math.isnan(found.low) else f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


PANELS: dict[str, Callable[["PlaceProfile"], Estimate]] = {
    "exponent α": lambda r: r.alpha,
    "slope range": lambda r: r.slope_range,
    "participation ratio": lambda r: Estimate(r.participation_ratio),
    "Jacobian norm": lambda r: r.jacobian,
}
"""Title of a panel -> its number at a place."""


def _drawn(profile: "Profile") -> Figure:
    """Draw the panels that have numbers, one above the other."""
    shown = {t: of for t, of in PANELS.items() if any(math.isfinite(of(r).value) for r in profile)}
    names = list(dict.fromkeys(r.network for r in profile))
    with style(), quiet():
        figure = Figure(figsize=(WIDTH, 1.7 * max(1, len(shown)) + 0.9))
        panels = figure.subplots(max(1, len(shown)), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (title, of) in zip(panels, shown.items(), strict=False):
            for i, name in enumerate(names):
                _line(axes, [of(r) for r in profile if r.network == name], MODELS[i % len(MODELS)], name)
            axes.set(ylabel=title)
            if spread([v for r in profile if math.isfinite(v := of(r).value)]):
                log_axis(axes.yaxis)
        if len(names) > 1:
            panels[0].legend()
        longest = max((name for name in names), key=lambda n: sum(r.network == n for r in profile))
        rotated(panels[-1], [r.place for r in profile if r.network == longest])
        panels[-1].set_xlabel("place, in order of execution" + (f" in {label(longest)}" if len(names) > 1 else ""))
    return figure


def _line(axes: Axes, found: list[Estimate], colour: str, name: str) -> None:
    places = range(len(found))
    axes.plot(places, [e.value for e in found], marker="o", ms=2.5, color=colour, label=label(name))
    known = [(i, e) for i, e in zip(places, found, strict=True) if math.isfinite(e.low) and math.isfinite(e.high)]
    axes.vlines([i for i, _ in known], [e.low for _, e in known], [e.high for _, e in known], color=colour, lw=1)
