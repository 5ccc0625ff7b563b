"""Covariance spectra of nested random subsets of units, to test whether α depends on the number of units."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from eigencode.base.record import Record
from eigencode.measures.protocol import Count, Reading, Subject
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.spectra.spectrum import Spectrum
from eigencode.spectra.widths import spectra_by_width


@dataclass(frozen=True)
class Widths(Record):
    """Spectra of nested subsets of units, in ascending size; each is saved in its own folder."""

    spectra: tuple[Spectrum, ...]

    def save(self, folder: Path) -> None:
        for found in self.spectra:
            part = folder / f"width-{found.n_units}"
            part.mkdir()
            found.save(part)

    @classmethod
    def load(cls, folder: Path) -> "Widths":
        found = (Spectrum.load(part) for part in folder.glob("width-*"))
        return cls(tuple(sorted(found, key=lambda s: s.n_units)))


@dataclass(frozen=True)
class WidthsMeasure(SpectrumMeasure):
    """α of nested random subsets of units; the window of the fit ends at half of the units at the latest.

    A size larger than the layer means all of its units.
    """

    widths: tuple[Count, ...] = (100, 300, 1000)
    kind: ClassVar[str] = "widths"
    record: ClassVar[type[Record]] = Widths
    of_data: ClassVar[bool] = False
    before_pruning: ClassVar[bool] = False

    def title(self, name: str) -> str:
        return f"{name}, by width"

    def names(self) -> tuple[str, ...]:
        return tuple(f"{units} units" for units in self.widths)

    def check(self, units: int, images: int) -> None:
        """Nothing is refused: the window is made to fit each width."""

    def measure(self, subject: Subject) -> Widths:
        code, points = self.source_of(subject)
        assert code is not None
        units = code(points[:1]).flatten(1).shape[1]
        widths = tuple(dict.fromkeys(min(m, units) for m in self.widths))
        how: dict[str, Any] = {"interval": self.interval, "scale": self.scale, "points": True, "seed": subject.seed}
        how["groups"] = self.groups_of(subject)
        return Widths(tuple(spectra_by_width(code, points, widths=widths, **how)))

    def readings(self, record: Any) -> Iterator[Reading]:
        parts = {found.n_units: found for found in record.spectra}
        for units in self.widths:
            found = min(units, max(parts))
            window = (self.window[0], min(self.window[1], found // 2))
            yield self.alpha(f"{units} units", self.law(parts[found], window), window)

    def draws(self, record: Any, what: str) -> Tensor | None:
        """None: each width is one random subset of the units of its network."""
        return None
