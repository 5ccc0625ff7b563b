"""Spectrum and power law of recorded responses, stored in the format of a study."""

from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.data.recordings import Recording
from eigencode.given.result import Given, Measurement
from eigencode.measures import SpectrumMeasure
from eigencode.spectra.cvpca import SWAPS, cvpca_of_two, doubts, shuffled_control
from eigencode.spectra.power_law import Window
from eigencode.spectra.spectrum import Spectrum, spectrum

ALPHA = "α"
HEADLINE = ("", "plain", "standard error", "r²", "participation ratio", "RankMe")


def recorded(
    recording: Recording, window: Window = (11, 500), weights: str = "1/n", shuffled: bool = False, seed: int = 0
) -> Given:
    """Spectrum of recorded responses and its power law: cvPCA of the first two repeats, or PCA if there is only one.

    Args:
        recording: responses without NaN, see `prepared`.
        window, weights: window and weights of the power-law fit; weights `"1/n"` as in Stringer et al. 2019.
        shuffled: also compute cvPCA with the stimuli of the second repeat shuffled, as a control at chance level.
        seed: seed of the exchanges of repeats in cvPCA, the shuffling, and the subsample of images for intervals.

    Raises:
        InputError: the window does not fit or contains a value that is not positive, or `shuffled` with one repeat.

    >>> import torch
    >>> x = torch.randn(1, 400, 20, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21) ** -0.5
    >>> round(recorded(Recording(x), window=(1, 20)).law.alpha, 1)
    1.0
    """
    repeats, x = len(recording.responses), recording.responses
    if shuffled and repeats == 1:
        raise InputError(
            f"{recording.where}: the shuffled control needs two repeats",
            got="one repeat",
            fix="leave out shuffled (--shuffled)",
        )
    found = cvpca_of_two(x[0], x[1], SWAPS, seed) if repeats > 1 else spectrum(x[0], seed=seed)
    found.power_law(window, weights)  # a window that does not fit raises, rather than giving NaN
    measure = SpectrumMeasure(window=window, weights=weights, rounding=True)  # type: ignore[arg-type]
    taken = [Measurement(ALPHA, measure, found, _doubts(x, found))]
    negative = int((found.eigenvalues <= 0).sum())
    made = {"file": recording.name, "array": recording.array, "sha256": recording.sha256, "repeats": repeats}
    made |= {"stimuli": found.n_samples, "units": found.n_units, "not_positive": negative}
    notes = [
        f"{'cvPCA of two repeats' if repeats > 1 else 'covariance of one repeat'}, {found.n_samples} stimuli x "
        f"{found.n_units} units; {negative} of {len(found.eigenvalues)} values are not positive",
        *recording.notes,
    ]
    if shuffled:
        control = shuffled_control(x[0], x[1], seed=seed)
        taken.append(Measurement(f"{ALPHA}, stimuli shuffled", measure, control, kind="shuffled"))
        made["shuffled"] = share = _share(control, found)
        notes.append(f"stimuli shuffled: total {share['total']:.2g}, largest {share['largest']:.2g} of the spectrum's")
    headline = [measure.quantity(ALPHA, what) for what in HEADLINE]
    study = {"name": recording.name, "title": f"{recording.name}: {recording.array}", "seeds": [seed]}
    return Given.of(study, recording.name, recording.array, taken, headline, notes=notes, recording=made)


def _doubts(x: Tensor, found: Spectrum) -> list[str]:
    repeats = len(x)
    if repeats == 1:
        return ["one repeat: this spectrum includes trial-to-trial noise; two repeats allow cvPCA, which removes it"]
    said = [f"{repeats} repeats: cvPCA of the first two"] if repeats > 2 else []
    return [*said, *doubts(x[0], x[1], found, SWAPS)]


def _share(control: Spectrum, spectrum: Spectrum) -> dict[str, float]:
    """Sum and largest value of the shuffled control, as fractions of those of the spectrum."""
    one, other = control.eigenvalues, spectrum.eigenvalues
    return {"total": float(one.sum() / other.sum()), "largest": float(one.abs().max() / other.abs().max())}
