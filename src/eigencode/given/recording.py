"""Spectrum and power law of recorded responses, stored in the format of a study."""

import warnings
from typing import Any

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.data.recordings import Recording, no_more_repeats
from eigencode.given.result import Given, Measurement
from eigencode.measures import SignalMeasure, SpectrumMeasure
from eigencode.spectra._repeats import FEWEST
from eigencode.spectra.cvpca import SWAPS, cvpca_of_all, shuffled_control
from eigencode.spectra.power_law import Window
from eigencode.spectra.signal import signal_spectrum
from eigencode.spectra.spectrum import Spectrum, spectrum

ALPHA, SIGNAL = "α", "signal α"
HEADLINE = ("", "plain", "standard error", "r²", "participation ratio", "RankMe")
OF_SIGNAL = ("", "α₁", "break", "α₂", "identified rank", "p", "p of the broken law", "participation ratio")

NOISE = "one repeat: this spectrum includes trial-to-trial noise; two repeats allow cvPCA, which removes it"


def recorded(
    recording: Recording, window: Window = (11, 500), weights: str = "1/n", shuffled: bool = False, seed: int = 0
) -> Given:
    """Spectrum of recorded responses and its power law: cvPCA of all repeats, or PCA if there is only one.

    Beside it stand the power laws that `signal_spectrum` fits to unbiased moments: with two repeats or more, and with
    one if there are fewer stimuli than units.

    Args:
        recording: responses without NaN, but for presentations that were not recorded, see `prepared`.
        window, weights: window and weights of the power-law fit to the eigenvalues; weights `"1/n"` as in Stringer et
            al. 2019.
        shuffled: also compute cvPCA with the stimuli of the repeats held out shuffled, as a control at chance level.
        seed: seed of the exchanges of repeats, the pairings and draws of the moments, the shuffling, and the subsample
            of images for intervals.

    Raises:
        InputError: the window does not fit or contains a value that is not positive, or `shuffled` with one repeat.

    >>> import torch
    >>> x = torch.randn(1, 400, 20, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 21) ** -0.5
    >>> round(recorded(Recording(x), window=(1, 20)).law.alpha, 1)
    1.0
    """
    if shuffled and len(recording.responses) == 1:
        raise InputError(
            f"{recording.where}: the shuffled control needs two repeats",
            got="one repeat",
            fix="leave out shuffled (--shuffled)",
        )
    recording = no_more_repeats(recording)
    x, repeats, groups = recording.responses, len(recording.responses), list(recording.groups) or None
    said: list[str] = []
    try:
        if repeats > 1:
            found, said = cvpca_of_all(x, SWAPS, seed, groups)
        else:
            found, said = spectrum(x[0], seed=seed, groups=groups), [NOISE]
        found.power_law(window, weights)  # a window that does not fit raises, rather than giving NaN
    except InputError as error:
        why = [f"  note:   {note}" for note in (*said, *recording.notes)]
        raise InputError("\n".join([f"{recording.where}: {error}", *why])) from None
    measure = SpectrumMeasure(window=window, weights=weights, rounding=True)  # type: ignore[arg-type]
    taken = [Measurement(ALPHA, measure, found, said)]
    negative = int((found.eigenvalues <= 0).sum())
    made: dict[str, Any] = {"file": recording.name, "array": recording.array, "sha256": recording.sha256}
    made |= {"repeats": repeats, "stimuli": found.n_samples, "units": found.n_units, "not_positive": negative}
    made |= {"groups": len(set(recording.groups))}
    notes = [
        f"{f'cvPCA of {repeats} repeats' if repeats > 1 else 'covariance of one repeat'}, {found.n_samples} stimuli x "
        f"{found.n_units} units; {negative} of {len(found.eigenvalues)} values are not positive",
        *recording.notes,
        *([f"stimuli that belong together: {made['groups']} groups, over which intervals are"] if groups else []),
    ]
    signal = _signal(recording, seed)
    taken += [signal] if signal else []
    if shuffled:
        control = shuffled_control(x, seed=seed)
        taken.append(Measurement(f"{ALPHA}, stimuli shuffled", measure, control, kind="shuffled"))
        made["shuffled"] = share = _share(control, found)
        notes.append(f"stimuli shuffled: total {share['total']:.2g}, largest {share['largest']:.2g} of the spectrum's")
    headline = [measure.quantity(ALPHA, what) for what in HEADLINE]
    headline += [signal.measure.quantity(SIGNAL, what) for what in OF_SIGNAL] if signal else []
    study = {"name": recording.name, "title": f"{recording.name}: {recording.array}", "seeds": [seed]}
    return Given.of(study, recording.name, recording.array, taken, headline, notes=notes, recording=made)


def _signal(recording: Recording, seed: int) -> Measurement | None:
    """Laws fitted to the moments; None for too few stimuli, and for one repeat of more stimuli than units."""
    x = recording.responses
    repeats, stimuli, units = x.shape
    if stimuli < FEWEST or (repeats == 1 and stimuli >= units):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EigencodeWarning)  # identical repeats, of which cvPCA warns in the table
        found = signal_spectrum(x, seed=seed, groups=list(recording.groups) or None)
    return Measurement(SIGNAL, SignalMeasure(), found, [] if repeats > 1 else [NOISE])


def _share(control: Spectrum, spectrum: Spectrum) -> dict[str, float]:
    """Sum and largest value of the shuffled control, as fractions of those of the spectrum."""
    one, other = control.eigenvalues, spectrum.eigenvalues
    return {"total": float(one.sum() / other.sum()), "largest": float(one.abs().max() / other.abs().max())}
