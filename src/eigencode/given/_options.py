"""Run `eigencode probe`: convert the command-line options, load network, weights and images, and measure."""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from torch import nn

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.data.catalogue import load
from eigencode.geometry._plan import Method
from eigencode.given.probe import probe
from eigencode.given.result import Probe
from eigencode.models.checkpoint import load_weights
from eigencode.models.factory import build, settings_of
from eigencode.models.standardised import Standardised, as_expected
from eigencode.spectra.power_law import Window

UNTRAINED = "no weights were given, so this network is untrained: --weights FILE"
LISTED = 30
"""Number of places listed in the error message if no place is given."""


def probe_from_options(
    factory: str,
    place: str | None,
    weights: Path | None = None,
    data: str = "cifar10",
    data_dir: Path | None = None,
    images: int = 500,
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
) -> Probe:
    """Build the network, load weights and images, and measure; lists are comma-separated, a window is FROM:TO.

    The working directory is added to the import path.  Output printed by the network's code goes to standard error.
    """
    chosen, scale = None if window is None else ranks(window), (_numbers("mean", mean), _numbers("std", std))
    if jacobian not in get_args(Method):
        raise InputError("unknown method", got=jacobian, wanted=", ".join(get_args(Method)), fix="--jacobian auto")
    expects = expects or ("0-1" if scale == (None, None) else "standardised")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", EigencodeWarning)  # the table shows them
        bare = build(factory, settings_of(settings), seed)
        notes = load_weights(bare, weights) if weights is not None else ()
        if place is None:
            raise _no_place(bare)
        train, test = load(data, data_dir, **_of_folder(data, classes, resize, crop))
        net = as_expected(bare, expects, train, *scale)
        trained = weights is not None
        said = () if trained else (UNTRAINED,)
        every = (f"all {len(test)} images of {data} are measured",) if test is train else ()
        told = (*notes, *_scaling(net), *said, *every)
        common = (net, test, place)
        return probe(
            *common, images=images, window=chosen, method=cast(Method, jacobian), trained=trained, notes=told, seed=seed
        )


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
    aliases: dict[str, str] = getattr(net, "places", {})
    several = (nn.RNNBase, nn.MultiheadAttention)  # return a tuple, of which the first element is meant
    empty = (nn.ModuleList, nn.ModuleDict)  # are never called
    inner = [(n, m) for n, m in net.named_modules() if n and not isinstance(m, empty)]
    known = [*aliases, *(f"{name}[0]" if isinstance(module, several) else name for name, module in inner)]
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
