"""The spectrum of one recording, measured and kept like a study of one network."""

from eigencode.base.errors import InputError
from eigencode.data.recordings import Recording
from eigencode.given.result import Given, Taken
from eigencode.measures import SpectrumMeasure
from eigencode.spectra.cvpca import cvpca, shuffled_control
from eigencode.spectra.power_law import Window
from eigencode.spectra.spectrum import Spectrum, spectrum

ALPHA = "α"
HEADLINE = ("", "plain", "standard error", "r²", "participation ratio", "RankMe")


def recorded(
    recording: Recording, window: Window = (11, 500), weights: str = "1/n", shuffled: bool = False, seed: int = 0
) -> Given:
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
    >>> round(recorded(Recording(x), window=(1, 20)).law.alpha, 1)
    1.0
    """
    repeats, x = len(recording.responses), recording.responses
    if shuffled and repeats == 1:
        raise InputError(
            f"{recording.where}: the shuffled control needs two repeats", got="one repeat", fix="leave out --shuffled"
        )
    found = cvpca(x[0], x[1], seed=seed) if repeats > 1 else spectrum(x[0], seed=seed)
    found.power_law(window, weights)  # what does not fit is an error, not a number that does not exist
    measure = SpectrumMeasure(window=window, weights=weights, rounding=True)  # type: ignore[arg-type]
    taken = [Taken(ALPHA, measure, found, _doubts(repeats))]
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
        taken.append(Taken(f"{ALPHA}, stimuli shuffled", measure, control, kind="shuffled"))
        made["shuffled"] = share = _share(control, found)
        notes.append(f"stimuli shuffled: total {share['total']:.2g}, largest {share['largest']:.2g} of the spectrum's")
    headline = [measure.quantity(ALPHA, what) for what in HEADLINE]
    study = {"name": recording.name, "title": f"{recording.name}: {recording.array}", "seeds": [seed]}
    return Given.of(study, recording.name, recording.array, taken, headline, notes=notes, recording=made)


def _doubts(repeats: int) -> list[str]:
    if repeats == 1:
        return ["one repeat: the noise of single trials is in this spectrum; with two repeats it is cvPCA"]
    return [f"{repeats} repeats: cvPCA of the first two"] if repeats > 2 else []


def _share(control: Spectrum, spectrum: Spectrum) -> dict[str, float]:
    """What is left of the sum and of the largest value when the stimuli of the repeats do not match."""
    one, other = control.eigenvalues, spectrum.eigenvalues
    return {"total": float(one.sum() / other.sum()), "largest": float(one.abs().max() / other.abs().max())}
