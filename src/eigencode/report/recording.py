"""Measure the spectrum of a recording, print it and write it to files."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eigencode.base import strict_json
from eigencode.base.errors import EigencodeError, InputError
from eigencode.base.files import replacing
from eigencode.base.text import printable
from eigencode.data.recordings import Recording
from eigencode.report.numbers import measured
from eigencode.spectra.cvpca import cvpca, shuffled_control
from eigencode.spectra.power_law import PowerLaw, Window
from eigencode.spectra.spectrum import Spectrum, spectrum


@dataclass(frozen=True)
class RecordedSpectrum:
    """Spectrum and power law of a recording, with its preprocessing steps; `control`: cvPCA with shuffled stimuli."""

    name: str
    array: str
    sha256: str
    repeats: int
    steps: tuple[str, ...]
    spectrum: Spectrum
    law: PowerLaw
    control: Spectrum | None = None

    @property
    def not_positive(self) -> int:
        """Number of zero or negative eigenvalues; without signal those of cvPCA scatter around zero."""
        return int((self.spectrum.eigenvalues <= 0).sum())

    @property
    def has_interval(self) -> bool:
        """True if α has an interval, which needs the bias of finite sampling."""
        return not math.isnan(self.law.interval[0])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the numbers."""
        found = list(self.law.warnings)
        if self.repeats == 1:
            found.append("one repeat: the noise of single trials is in this spectrum; with two repeats it is cvPCA")
        if self.repeats > 2:
            found.append(f"{self.repeats} repeats: cvPCA of the first two")
        return tuple(found)

    def summary(self) -> dict[str, Any]:
        """All numbers for JSON, with the eigenvalues but no other arrays; NaN for missing numbers."""
        return {
            "file": self.name,
            "array": self.array,
            "sha256": self.sha256,
            "kind": self.spectrum.kind,
            "repeats": self.repeats,
            "stimuli": self.spectrum.n_samples,
            "units": self.spectrum.n_units,
            "steps": self.steps,
            **{k: v for k, v in self.law.scalars().items() if k not in ("n_samples", "n_units", "warnings")},
            "participation_ratio": self.spectrum.participation_ratio,
            "rankme": self.spectrum.rankme,
            "not_positive": self.not_positive,
            "shuffled": None if self.control is None else _share(self.control, self.spectrum),
            "seed": self.spectrum.seed,
            "warnings": self.warnings,
            "eigenvalues": self.spectrum.eigenvalues.tolist(),
        }


def measure(
    recording: Recording, window: Window = (11, 500), weights: str = "1/n", shuffled: bool = False, seed: int = 0
) -> RecordedSpectrum:
    """Measure `spectrum` of one repeat or `cvpca` of the first two, and the power law.

    Args:
        recording: preprocessed by `prepared`; without NaN.
        window, weights: of the power law; `"1/n"` as in Stringer et al. 2019.
        shuffled: also cvPCA with the stimuli of the second repeat in random order, as a control.
        seed: of the exchanges of cvPCA, the shuffling, and the subsample for intervals.

    Raises:
        InputError: a window that does not fit, a value in it that is not positive, or `shuffled` with one repeat.

    >>> import torch
    >>> x = torch.randn(1, 400, 20, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21) ** -0.5
    >>> round(measure(Recording(x), window=(1, 20)).law.alpha, 1)
    1.0
    """
    repeats, x = len(recording.responses), recording.responses
    if shuffled and repeats == 1:
        raise InputError(
            f"{recording.where}: the shuffled control needs two repeats", got="one repeat", fix="leave out --shuffled"
        )
    found = cvpca(x[0], x[1], seed=seed) if repeats > 1 else spectrum(x[0], seed=seed)
    control = shuffled_control(x[0], x[1], seed=seed) if shuffled else None
    law = found.power_law(window, weights)
    return RecordedSpectrum(
        recording.name, recording.array, recording.sha256, repeats, recording.notes, found, law, control
    )


def window(text: str) -> Window:
    """Parse a window of ranks from `"11:500"` or `"(11, 500)"`.

    >>> window("11:500")
    (11, 500)
    """
    found = re.fullmatch(r"\s*\(?\s*(\d+)\s*[:,]\s*(\d+)\s*\)?\s*", text)
    if found is None:
        raise InputError("not a window of ranks", got=repr(text), wanted="first:last, both included", fix="11:500")
    return int(found[1]), int(found[2])


def show(found: RecordedSpectrum, console: Console) -> None:
    """Print the table, the preprocessing steps and the warnings."""
    console.print(Text(f"{printable(found.name)}: {printable(found.array)}"))
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, text in _rows(found):
        table.add_row(Text(name), Text(text))
    console.print(table)
    for step in found.steps:
        console.print(Text(f"- {printable(step, 1000)}"))
    for warning in found.warnings:
        console.print(Text(f"! {printable(warning, 1000)}", style="yellow"))


def free(folder: Path) -> Path:
    """Return the absolute path of a new or empty folder; `InputError` if there is something in it."""
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: there is something already", wanted="a new or empty folder", fix="another --out")
    return folder


def write(found: RecordedSpectrum, folder: Path) -> None:
    """Write `result.json`, the record of the spectrum and its figure, atomically.

    `result.json`: the summary and its provenance.  `spectrum/` (and `shuffled/`): for `Spectrum.load`.
    `spectrum.pdf`, `spectrum.png`, `spectrum.svg`: the figure.
    """
    from eigencode.report.figures.recording import recorded
    from eigencode.report.figures.style import save, style
    from eigencode.study.provenance import provenance

    folder = free(folder)
    try:
        with replacing(folder) as part:
            for name, record in (("spectrum", found.spectrum), ("shuffled", found.control)):
                if record is not None:
                    (part / name).mkdir(parents=True)
                    record.save(part / name)
            with style():
                save(recorded(found.spectrum, found.law, found.control, found.name), part / "spectrum")
            text = strict_json.dumps({**found.summary(), "provenance": provenance()})
            (part / "result.json").write_text(text + "\n", encoding="utf-8")
            if folder.exists():
                folder.rmdir()
    except OSError as error:
        raise EigencodeError(f"cannot write the result: {error}\n  fix:    choose another --out") from error


def _rows(found: RecordedSpectrum) -> list[tuple[str, str]]:
    law, spectrum = found.law, found.spectrum
    error = "" if found.has_interval else f" ± {law.standard_error:.2g}"
    ranks = f"ranks {law.window[0]}..{law.window[1]}, weights {law.weights}"
    rows = [
        ("spectrum", "cvPCA of two repeats" if found.repeats > 1 else "covariance of one repeat"),
        ("stimuli", str(spectrum.n_samples)),
        ("units", str(spectrum.n_units)),
        ("α", law.text + error),
        ("", f"{ranks}; {law.interval_method if found.has_interval else '± standard error over stimuli'}"),
        ("r²", measured(law.r2)),
        ("participation ratio", measured(spectrum.participation_ratio)),
        ("RankMe", measured(spectrum.rankme)),
        ("values not positive", f"{found.not_positive} of {len(spectrum.eigenvalues)}"),
    ]
    if found.control is not None:
        share = _share(found.control, spectrum)
        rows.append(
            ("stimuli shuffled", f"total {share['total']:.2g}, largest {share['largest']:.2g} of the spectrum's")
        )
    return rows


def _share(control: Spectrum, spectrum: Spectrum) -> dict[str, float]:
    """Sum and largest eigenvalue of the shuffled control, relative to those of the spectrum."""
    one, other = control.eigenvalues, spectrum.eigenvalues
    return {"total": float(one.sum() / other.sum()), "largest": float(one.abs().max() / other.abs().max())}
