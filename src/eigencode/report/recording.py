"""The spectrum of one recording: measured, as a table, and as files."""

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
    """Spectrum and power law of a recording, with what was done to it before; `control`: the stimuli shuffled."""

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
        """Eigenvalues that are zero or negative: cvPCA scatters around zero where there is no signal."""
        return int((self.spectrum.eigenvalues <= 0).sum())

    @property
    def has_interval(self) -> bool:
        """Is there an interval?  There is none where the bias of a finite sample is not known."""
        return not math.isnan(self.law.interval[0])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the numbers must be read with."""
        found = list(self.law.warnings)
        if self.repeats == 1:
            found.append("one repeat: the noise of single trials is in this spectrum; with two repeats it is cvPCA")
        if self.repeats > 2:
            found.append(f"{self.repeats} repeats: cvPCA of the first two")
        return tuple(found)

    def summary(self) -> dict[str, Any]:
        """Everything but the spectrum's own arrays, for JSON; NaN where a number does not exist."""
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
    """`spectrum` of one repeat, `cvpca` of the first two of more, and the power law.

    Args:
        recording: made ready by `prepared`; without NaN.
        window, weights: of the power law; `"1/n"` as in Stringer et al. 2019.
        shuffled: also cvPCA with the stimuli of the second repeat in random order, which is chance.
        seed: of the exchanges of cvPCA, the shuffling, and the images behind intervals.

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
    """The ranks of `"11:500"`; `"(11, 500)"` is understood too.

    >>> window("11:500")
    (11, 500)
    """
    found = re.fullmatch(r"\s*\(?\s*(\d+)\s*[:,]\s*(\d+)\s*\)?\s*", text)
    if found is None:
        raise InputError("not a window of ranks", got=repr(text), wanted="first:last, both included", fix="11:500")
    return int(found[1]), int(found[2])


def show(found: RecordedSpectrum, console: Console) -> None:
    """Print the table, what was done before, and each warning."""
    console.print(Text(f"{printable(found.name)}: {printable(found.array)}"))
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, text in _rows(found):
        table.add_row(Text(name), Text(text))
    console.print(table)
    for step in found.steps:
        console.print(Text(f"- {printable(step, 1000)}"))
    for said in found.warnings:
        console.print(Text(f"! {printable(said, 1000)}", style="yellow"))


def free(folder: Path) -> Path:
    """The folder, if nothing is there yet: a result is never overwritten."""
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: there is something already", wanted="a new or empty folder", fix="another --out")
    return folder


def write(found: RecordedSpectrum, folder: Path) -> None:
    """Write `result.json`, the record of the spectrum and its figure; the folder appears when it is complete.

    `result.json`: the summary and what it was made with.  `spectrum/` (and `shuffled/`): `Spectrum.load` reads them.
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
    """What is left of the sum and of the largest value when the stimuli of the repeats do not match."""
    one, other = control.eigenvalues, spectrum.eigenvalues
    return {"total": float(one.sum() / other.sum()), "largest": float(one.abs().max() / other.abs().max())}
