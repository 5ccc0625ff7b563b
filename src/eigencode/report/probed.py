"""Figures of a probe, drawn by those of a study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from eigencode.base.record import Record
from eigencode.report.figures.robustness import robustness
from eigencode.report.figures.spectra import spectra
from eigencode.report.figures.style import save, style
from eigencode.report.figures.windows import slopes, windows
from eigencode.report.run import Measured
from eigencode.study.probe.record import Probe

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False)
class Probed(Measured):
    """Adapter from a probe to the figures of a study: one network, one seed, one spectrum."""

    probe: Probe

    @property
    def models(self) -> list[str]:
        """Label of the network."""
        return [self.probe.model]

    def quantities(self, kind: str) -> list[str]:
        """Names of the measurements of one kind: the place of the spectrum, or the attacks."""
        named = {"spectrum": [self.probe.place], "critical": self.probe.critical, "curve": self.probe.curves}
        return list(named.get(kind, []))

    def load(self, record: type[R], **wanted: object) -> list[R]:
        """The record of this type and name."""
        if wanted.get("model") != self.probe.model:
            return []
        held = (self.probe.spectrum, self.probe.critical, self.probe.curves)
        named = [part.get(str(wanted["quantity"])) if isinstance(part, dict) else part for part in held]
        return [part for part in named if isinstance(part, record)]

    @property
    def fits(self) -> dict[str, dict[str, Any]]:
        """Window and weights of the fit, by spectrum."""
        return {self.probe.place: {"window": list(self.probe.window), "weights": self.probe.weights}}


def draw_probe(probe: Probe, folder: Path | str) -> list[Path]:
    """Write `spectra`, `slopes`, `windows` and `robustness` (PDF, PNG and SVG) into a folder, creating it.

    The figures are those of a study: the spectrum with its power law, its local slopes, α over all windows, accuracy
    against ε, and the critical size of every image.  Returns the files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    with style():
        for draw in (spectra, slopes, windows, robustness):
            name, figure = draw.__name__, draw(Probed(probe), probe.data)
            files += [] if figure is None else save(figure, folder / name)
    return files
