"""Run `eigencode probe`: convert the command-line options, load network, weights and images, and measure."""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import nn

from eigencode.base.errors import EigencodeWarning, InputError, nearest
from eigencode.data.catalogue import load
from eigencode.geometry._plan import Method
from eigencode.given.probe import ATTACKS, Attacks, probe
from eigencode.given.profile import profile
from eigencode.given.profiled import Profile
from eigencode.given.result import Probe
from eigencode.models.checkpoint import load_weights
from eigencode.models.factory import build, settings_of
from eigencode.models.standardised import Standardised, as_expected, pretrained_scaling
from eigencode.representation._place import aliases_of, place_of
from eigencode.spectra.power_law import Window

UNTRAINED = "no weights were given, so this network is untrained: --weights FILE"
ATTACK_WORDS = {"noise": "noise", "fgsm": "FGSM", "pgd-linf": "PGD L∞", "pgd-l2": "PGD L2"}
"""Words for the default attacks on the command line."""

LISTED = 30
"""Number of places listed in the error message if no place is given."""


def probe_from_options(
    factory: str,
    place: str | None,
    weights: Path | None = None,
    data: str = "cifar10",
    data_dir: Path | None = None,
    images: int | None = None,
    window: str | None = None,
    settings: Sequence[str] = (),
    expects: str | None = None,
    mean: str | None = None,
    std: str | None = None,
    jacobian: str = "auto",
    seed: int = 0,
    classes: str | None = None,
    resize: int | None = None,
    crop: int | None = None,
    test_images: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    attacks: str | None = None,
    reduce: str | None = None,
) -> Probe | Profile:
    """Build the network, load weights and images, and measure; lists are comma-separated, a window is FROM:TO.

    Returns a `Profile` if `place` is "all" or a pattern with `*`, or if `reduce` is given, with Jacobian norms if
    `images` is given.  The working directory is added to the import path.  Output printed by the network's code goes
    to standard error.
    """
    chosen, scale = None if window is None else ranks(window), (_numbers("mean", mean), _numbers("std", std))
    if jacobian not in get_args(Method):
        raise InputError("unknown method", got=jacobian, wanted=", ".join(get_args(Method)), fix="--jacobian auto")
    method, named = cast(Method, jacobian), None if attacks is None else _attacks(attacks)
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", EigencodeWarning)  # the table shows them
        bare = build(factory, settings_of(settings), seed)
        bare = bare if device is None else bare.to(_device(device))
        notes = load_weights(bare, weights) if weights is not None else ()
        if place is None:
            raise _no_place(bare)
        train, test = load(data, data_dir, **_of_folder(data, classes, resize, crop))
        if expects is None and scale == (None, None) and (found := pretrained_scaling(bare)) is not None:
            scale, notes = found, (*notes, "mean and std are those of its pretrained_cfg (--expects sets others)")
        expects = expects or ("0-1" if scale == (None, None) else "standardised")
        net = as_expected(bare, expects, train, *scale)
        trained = weights is not None
        said = () if trained else (UNTRAINED,)
        every = (f"all {len(test)} images of {data} are measured",) if test is train else ()
        if test_images is not None and test_images < len(test):
            test, every = test[:test_images], (f"the first {test_images} test images are measured",)
        told = (*notes, *_scaling(net), *said, *every)
        if place == "all" or "*" in place or reduce is not None:
            common = {
                "reduce": reduce or "mean",
                "window": chosen,
                "method": method,
                "batch_size": batch_size or 100,
                "seed": seed,
                "notes": told,
            }
            return profile(net, test, place, jacobian=images or 0, **common)  # type: ignore[arg-type]
        return probe(
            *(net, test, place),
            images=500 if images is None else images,
            window=chosen,
            attacks=named,
            method=method,
            trained=trained,
            notes=told,
            batch_size=batch_size or 250,
            seed=seed,
        )


def _attacks(text: str) -> Attacks:
    """The attacks of a list of words; "none" is the empty list."""
    words = [] if text == "none" else [w.strip().lower() for w in text.split(",")]
    for word in words:
        if word not in ATTACK_WORDS:
            raise InputError(
                "unknown attack",
                got=word,
                wanted=f"none, or a list of {', '.join(ATTACK_WORDS)}",
                fix=f"{nearest(word, list(ATTACK_WORDS))}; for example --attacks noise,pgd-linf",
            )
    return {ATTACK_WORDS[word]: ATTACKS[ATTACK_WORDS[word]] for word in words}


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except Exception as error:  # torch raises many types for what it does not have
        said = str(error).splitlines()[0]
        wanted = "cpu, cuda, cuda:1, mps …"
        raise InputError("no such device", got=f"{name}: {said}", wanted=wanted, fix="--device cpu") from None
    return device


def _of_folder(data: str, classes: str | None, resize: int | None, crop: int | None) -> dict[str, Any]:
    """Settings of a folder of images, all of which are measured unless it has a test set of its own."""
    given = {"classes": classes, "resize": resize, "crop": crop}
    return {k: v for k, v in given.items() if v is not None} | ({"split": False} if data.startswith("folder:") else {})


def ranks(text: str) -> Window:
    """Parse a window of ranks, `"11:500"` or `"(11, 500)"`.

    >>> ranks("11:500")
    (11, 500)
    """
    found = re.fullmatch(r"\s*\(?\s*(\d+)\s*[:,]\s*(\d+)\s*\)?\s*", text)
    if found is None:
        raise InputError(
            "not a window of ranks", got=repr(text), wanted="FROM:TO, both included", fix="--window 11:500"
        )
    return int(found[1]), int(found[2])


def _numbers(name: str, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--{name} is not a list of numbers",
            got=text,
            wanted="one per channel",
            fix=f"e.g. --{name} 0.49,0.48,0.45 for colour images, --{name} 0.49 for grey ones",
        ) from None


def _no_place(net: nn.Module) -> InputError:
    several = (nn.RNNBase, nn.MultiheadAttention)  # return a tuple, of which the first element is meant
    empty = (nn.ModuleList, nn.ModuleDict)  # are never called
    inner = [(n, m) for n, m in net.named_modules() if n and not isinstance(m, empty)]
    known = [*aliases_of(net), *(f"{n}[0]" if isinstance(m, several) else place_of(n) for n, m in inner)]
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return InputError(
        "no place was given for spectrum and Jacobian",
        wanted=f"one of {', '.join([*known[:LISTED], 'logits'])}{more}",
        fix=f"--place {known[-2] if len(known) > 1 else 'logits'}",
    )


def _scaling(net: nn.Module) -> tuple[str, ...]:
    if not isinstance(net, Standardised):
        return ()
    mean, std = (", ".join(f"{v:.4g}" for v in x.flatten().tolist()) for x in (net.mean, net.std))
    return (f"before the network every channel is scaled to (x - mean) / std with mean {mean} and std {std}",)
