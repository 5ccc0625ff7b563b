"""Measure spectrum, Jacobian norm and robustness of any PyTorch classifier, in pixel space."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import BatchWarning, EigencodeWarning, InputError
from eigencode.base.inputs import at_least
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.geometry._plan import Method
from eigencode.given._examine import examine, name_of
from eigencode.given._window import USUAL, default_window
from eigencode.given.result import Measurement, Probe
from eigencode.measures import AccuracyMeasure, CriticalMeasure, CurveMeasure, JacobianMeasure, SpectrumMeasure, Subject
from eigencode.models._wrapped import unwrapped
from eigencode.representation._modes import borrowed, device_of
from eigencode.representation.at import at
from eigencode.robustness.fgsm import FGSM
from eigencode.robustness.masking import masking_checks
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation
from eigencode.spectra.power_law import Weights, Window
from eigencode.spectra.spectrum import Spectrum

Attacks = Mapping[str, Perturbation | MinimumNorm]

ATTACKS: Attacks = {
    "noise": Gaussian(),
    "FGSM": FGSM(),
    "PGD L∞": PGD(norm="linf", steps=20),
    "PGD L2": PGD(norm="l2", steps=20),
}
"""Default attacks."""

MAX_RESPONSES = 2**26
"""Largest number of responses (images x units) for a spectrum: 512 MiB in float64, times a few copies."""


def probe(
    net: nn.Module,
    test: Images | Array,
    place: str,
    *,
    images: int | None = 500,
    window: Window | None = None,
    weights: Weights = "uniform",
    attacks: Attacks | None = None,
    points: int = 41,
    method: Method = "auto",
    trained: bool = True,
    name: str = "",
    notes: Sequence[str] = (),
    batch_size: int = 250,
    seed: int = 0,
) -> Probe:
    """Spectrum, Jacobian norm and robustness of a network, in pixel space.

    Args:
        net: any `nn.Module` from images in [0, 1], `N C H W`, to logits; wrap one that was trained on normalised
            images in `models.Standardised`.  It is measured in evaluation mode and not changed.
        test: images with labels.
        place: where spectrum and Jacobian are read, see `ec.at`.
        images: number of images, drawn at random, for Jacobian and attacks; None for all.  Accuracy and spectrum use
            all of `test` (for very wide representations the spectrum uses fewer, with a warning).
        window: ranks of the power law, both ends included.  Default: 11..500; if only K < 500 eigenvalues are above
            rounding, min(11, K/20)..K/2, with a warning.
        weights: weights of the fit, `"uniform"` or `"1/n"`.
        attacks: attacks by name; noise, FGSM, and PGD with 20 steps in L∞ and L2 by default.
        points: number of ε per accuracy curve, from 1e-4 times `attack.reach` up to `attack.reach`; 0: no curves.
        method: method of the Jacobian norm, see `ec.jacobian_norm`.
        trained: False: no warning if accuracy is at chance.
        name: name of the network in tables and figures; its class by default.
        notes: sentences to show below the table, e.g. on how the network was trained.
        batch_size: images per forward pass.
        seed: seed of the draw of images, of noise and of random starts.

    Returns:
        A `Probe`, which can be printed and saved.

    Raises:
        InputError: the network does not fit the images, does not return logits or has no such place; the window does
            not fit the spectrum; the representation is the same for all images.

    Warns:
        EigencodeWarning: masked gradients, accuracy at chance, input that seems not to be scaled as in training.

    >>> import eigencode as ec
    >>> _, test = ec.load("digits")
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    >>> found = probe(net, test, "2", images=20, window=(2, 20), attacks={"FGSM": FGSM()}, trained=False)
    >>> found.jacobian.method, found.critical["FGSM"].space, found.law.window
    ('closed', 'pixel', (2, 20))
    """
    admit(probe, locals())
    at_least(1, batch_size=batch_size)
    at_least(0, points=points)
    test = Images.of(test, "test")
    at(unwrapped(net), place)  # a wrong name is an error with the names of `net`
    examined = examine(net, test, batch_size, trained)
    here = Images(test.pixels.to(device_of(net)), test.y, test.classes, test.name, test.groups)
    order = torch.randperm(len(test), generator=stream(seed, "probe"))
    chosen = order[: _wanted(images, len(test))].sort().values
    everything = Subject(net, here, place, seed, batch_size=batch_size)
    subject, jacobian = replace(everything, subset=chosen), JacobianMeasure(space="pixel", method=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BatchWarning)  # `examined` says it
        measure, spectrum, said, flat = _spectrum(everything, order, window, weights)
        slopes = jacobian.measure(subject)
        masking = masking_checks(net, test, subset=chosen, seed=seed, warn=False)
        attacked = [*_attacked(replace(subject, check=masking), ATTACKS if attacks is None else attacks, points)]
    for warning in (*examined.doubts, *masking.doubts):
        warnings.warn(warning, EigencodeWarning, stacklevel=2)
    accuracy, alpha, speed = AccuracyMeasure(), f"α, {place}", f"{jacobian.label()}, {place}"
    found = [
        Measurement(accuracy.label(), accuracy, examined.accuracy, examined.doubts),
        Measurement(alpha, measure, spectrum, said),
        Measurement(speed, jacobian, slopes),
        *attacked,
    ]
    sizes = [one.name for one in attacked if one.measure.kind == "critical"]
    headline = [
        *(accuracy.label(), alpha, f"{alpha}, plain", f"{alpha}, participation ratio"),
        *(speed, f"{speed}, lower quartile", f"{speed}, upper quartile"),
        *(name for size in sizes for name in (size, f"{size}, eps")),
    ]
    model = name or name_of(net)
    study = {"name": model, "title": f"{model} on {test.name}", "seeds": [seed], "place": place, "sha256": test.sha256}
    more = {"notes": [*notes, *flat], "images": chosen.tolist(), "masking": masking.scalars()}
    return Probe.of(study, test.name, model, found, headline, **more)


def _wanted(images: int | None, available: int) -> int:
    if images is not None and images < 2:
        raise InputError("too few images to probe", got=images, wanted=">= 2")
    return available if images is None else min(images, available)


def _spectrum(
    subject: Subject, order: Tensor, window: Window | None, weights: Weights
) -> tuple[SpectrumMeasure, Spectrum, list[str], list[str]]:
    """Compute the spectrum on as many images as fit into memory; returns (measure, spectrum, warnings, notes)."""
    with borrowed(subject.network), torch.no_grad():
        units = subject.code()(subject.test[:2].x).shape[1]
        channels = at(subject.network, subject.place, reduce="mean")(subject.test[:2].x).shape[1]
    flat = f"{subject.place}: all {units} numbers of its maps are units; a mean over positions, as in a profile, gives "
    flat += f"{channels} with another exponent (ec.profile, --reduce mean)"
    n = min(len(order), max(2, MAX_RESPONSES // units))
    rows, measure = order[:n].sort().values, SpectrumMeasure(space="pixel", weights=weights, rounding=True)
    found: Spectrum = measure.measure(replace(subject, test=subject.test[rows]))  # type: ignore[assignment]
    usable = found.n_above_floor
    if usable == 0:
        raise InputError(
            f"{subject.place!r} is the same for all images",
            got=f"largest eigenvalue {float(found.eigenvalues.max()):.3g}",
            wanted="a representation that varies with the image",
            fix="choose another place; check for dead units, and that the input is scaled as in training",
        )
    said = f"the spectrum of {units} units uses {n} of {len(order)} images, so that it fits into memory"
    told = [said] if n < len(order) else []
    chosen = window or default_window(usable)
    if window is not None:
        found.power_law(window, weights)  # a window that does not fit raises, rather than giving NaN
    elif chosen != USUAL:
        told.append(
            f"{usable} eigenvalues above rounding are too few for ranks 11..500: alpha is fitted over ranks "
            f"{chosen[0]}..{chosen[1]}; --window FROM:TO (window=...) sets others"
        )
    return replace(measure, window=chosen), found, told, [flat] if channels < units else []


def _attacked(subject: Subject, attacks: Attacks, points: int) -> Iterator[Measurement]:
    """Measure critical sizes, then accuracy curves, for every attack."""
    for name, attack in attacks.items():
        sizes = CriticalMeasure(attack, space="pixel")
        yield Measurement(f"critical size, {name}", sizes, sizes.measure(subject))
    for name, attack in attacks.items() if points else ():
        top = attack.reach(subject.test.inputs)
        curve = CurveMeasure(attack, space="pixel", eps=(1e-4 * top, top), points=points)
        yield Measurement(f"accuracy, {name}", curve, curve.measure(subject))
