"""`probe(net, test, place)`: everything this package measures, on one network of anybody."""

import math
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.geometry.jacobian import JacobianNorm, jacobian_norm
from eigencode.models.standardised import Standardised
from eigencode.representation.at import Code, at
from eigencode.robustness.critical import critical_size
from eigencode.robustness.curve import curve
from eigencode.robustness.fgsm import FGSM
from eigencode.robustness.masking import Masking, masking_checks
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.pgd import PGD
from eigencode.robustness.protocol import Perturbation
from eigencode.spectra.power_law import PowerLaw, Weights, Window
from eigencode.spectra.spectrum import Spectrum, spectrum
from eigencode.study.probe.examine import device_of, examine, name_of
from eigencode.study.probe.record import Probe

Attacks = Mapping[str, Perturbation | MinimumNorm]

ATTACKS: Attacks = {
    "noise": Gaussian(),
    "FGSM": FGSM(),
    "PGD L∞": PGD(norm="linf", steps=20),
    "PGD L2": PGD(norm="l2", steps=20),
}
"""What a network is probed with by default."""

USUAL = (11, 500)
NUMBERS = 2**26
"""Largest responses of a spectrum, images x units: half a gigabyte of float64, and a few copies of it."""


def probe(
    net: nn.Module,
    test: Images,
    place: str,
    *,
    images: int | None = 500,
    window: Window | None = None,
    weights: Weights = "uniform",
    attacks: Attacks | None = None,
    points: int = 41,
    trained: bool = True,
    name: str = "",
    batch_size: int = 250,
    seed: int = 0,
) -> Probe:
    """Spectrum, Jacobian norm and robustness of a network, in pixel space.

    Args:
        net: any `nn.Module` from images in [0, 1], `N C H W`, to logits; in front of one that was trained on
            normalised images put `models.Standardised`.  Measured in evaluation mode and left as it was.
        test: images with labels.
        place: where spectrum and Jacobian are read, see `ec.at`.
        images: how many images, drawn at random, the Jacobian and the attacks get; None for all.  Accuracy and
            spectrum use all of `test` (the spectrum fewer, and says so, where the representation is very wide).
        window: ranks of the power law, both ends included.  Default: 11..500; where fewer of the K eigenvalues are
            above rounding, min(11, K/20)..K/2, with a warning.
        weights: of the fit, `"uniform"` or `"1/n"`.
        attacks: by name; noise, FGSM, and PGD with 20 steps in L∞ and L2 by default.
        points: ε per accuracy curve, from 1e-4 of the largest that makes sense to the attack up to that; 0 for none.
        trained: False: do not wonder about an accuracy at chance.
        name: what tables and figures call the network; its class by default.
        batch_size: images at a time.
        seed: of the draw of images, of noise and of random starts.

    Returns:
        A `Probe`; `print` it, or `report.draw_probe(it, folder)`.

    Raises:
        InputError: the network does not fit the images, does not return logits, has no such place; a window that does
            not fit the spectrum; a representation that is the same for all images.

    Warns:
        EigencodeWarning: masked gradients, an accuracy at chance, an input that is not scaled as in training.

    >>> import eigencode as ec
    >>> _, test = ec.load("digits")
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    >>> found = probe(net, test, "2", images=20, window=(2, 20), attacks={"FGSM": FGSM()}, trained=False)
    >>> found.jacobian.method, found.critical["FGSM"].space, found.law.window
    ('closed', 'pixel', (2, 20))
    """
    if not isinstance(net, nn.Module):
        raise InputError("not a network", got=type(net).__name__, wanted="an nn.Module")
    code = _code(net, place)
    examined = examine(net, test, batch_size, trained)
    order = torch.randperm(len(test), generator=stream(seed, "probe"))
    chosen = order[: _wanted(images, len(test))].sort().values
    spec, said = _spectrum(code, test, order, batch_size, seed)
    law, doubts = _law(spec, window, weights)
    jacobian = _jacobian(code, test[chosen].x.to(device_of(net)), batch_size, seed)
    masking = masking_checks(net, test, subset=chosen, seed=seed, warn=False)
    loud = [*examined.doubts, *_masked(masking)]
    given = ATTACKS if attacks is None else attacks
    sizes = {
        k: critical_size(net, test, a, subset=chosen, check=masking, seed=seed, batch_size=batch_size)
        for k, a in given.items()
    }
    curves = {
        k: curve(net, test, a, _grid(a, test, points), subset=chosen, check=masking, seed=seed, batch_size=batch_size)
        for k, a in given.items()
        if points
    }
    for warning in loud:
        warnings.warn(warning, EigencodeWarning, stacklevel=2)
    fitted = law.window if law else window or USUAL
    flat = int((jacobian.value == 0).sum())
    if flat:
        doubts.append(f"the Jacobian is zero for {flat} of {len(jacobian)} images: dead units, or a detached place")
    never = {k: int(s.censored.sum()) for k, s in sizes.items()}
    return Probe(
        model=name or name_of(net),
        data=test.name,
        sha256=test.sha256,
        place=place,
        window=fitted,
        weights=weights,
        seed=seed,
        accuracy=examined.accuracy,
        law=law,
        masking=masking,
        index=chosen,
        spectrum=spec,
        jacobian=jacobian,
        critical=sizes,
        curves=curves,
        warnings=(
            *loud,
            *said,
            *doubts,
            *(f"{k}: {n} of {sizes[k].n_correct} images were never broken" for k, n in never.items() if n),
        ),
    )


def _code(net: nn.Module, place: str) -> Code:
    at(net.net if isinstance(net, Standardised) else net, place)  # a wrong name is told with the names of their own
    return at(net, place)


def _wanted(images: int | None, available: int) -> int:
    if images is not None and images < 2:
        raise InputError("too few images to probe", got=images, wanted=">= 2")
    return available if images is None else min(images, available)


def _spectrum(code: Code, test: Images, order: Tensor, batch_size: int, seed: int) -> tuple[Spectrum, list[str]]:
    """The spectrum on as many images as fit into memory, and a word about it if those are not all."""
    device = device_of(code.module)
    with torch.no_grad():
        units = code(test[:2].x.to(device)).shape[1]
    n = min(len(test), max(2, NUMBERS // units))
    rows = order[:n].sort().values
    found = spectrum(code, test[rows].x.to(device), batch_size=batch_size, seed=seed)
    if found.n_above_floor == 0:
        raise InputError(
            f"{code.place!r} is the same for all images",
            got=f"largest eigenvalue {float(found.eigenvalues.max()):.3g}",
            wanted="a representation that varies with the image",
            fix="are the units dead?  Is the input scaled as in training?  Choose another place",
        )
    said = f"the spectrum of {units} units is that of {n} of {len(test)} images, so that it fits into memory"
    return found, [said] if n < len(test) else []


def _law(spec: Spectrum, window: Window | None, weights: Weights) -> tuple[PowerLaw | None, list[str]]:
    """The fit over the window asked for; without one, over the usual window or the nearest that fits."""
    usable = spec.n_above_floor
    chosen = window or (USUAL if usable >= USUAL[1] else (min(11, max(1, usable // 20)), usable // 2))
    try:
        law = spec.power_law(chosen, weights)
    except InputError as error:
        if window is not None:
            raise
        return None, ["no power law: " + "; ".join(" ".join(line.split()) for line in str(error).splitlines())]
    doubts = []
    if window is None and chosen != USUAL:
        doubts.append(
            f"{usable} eigenvalues above rounding are too few for ranks 11..500: alpha is that of ranks "
            f"{chosen[0]}..{chosen[1]}; --window FROM:TO (window=...) chooses others"
        )
    return law, [*doubts, *law.warnings]


def _jacobian(code: Code, x: Tensor, batch_size: int, seed: int) -> JacobianNorm:
    try:
        return jacobian_norm(code, x, batch_size=batch_size, seed=seed)
    except RuntimeError as error:
        raise InputError(
            f"{code.place!r} has no derivative with respect to the images",
            got=str(error).split("\n")[0][:200],
            wanted="a place that depends differentiably on the images",
            fix="drop operations in place and autograd.Functions without setup_context, or choose another place",
        ) from error


def _masked(masking: Masking) -> list[str]:
    if not masking.flags:
        return []
    return [
        "gradients look masked, so the network may be less robust than FGSM and PGD say: " + "; ".join(masking.flags)
    ]


def _grid(attack: Perturbation | MinimumNorm, test: Images, points: int) -> Tensor:
    top = math.log10(attack.reach(test.inputs))
    return torch.logspace(top - 4, top, points, dtype=torch.float64)
