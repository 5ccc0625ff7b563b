"""A probe as it is asked for in words, on the command line."""

import contextlib
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.data.catalogue import load
from eigencode.given.probe import probe
from eigencode.given.recording import ranks
from eigencode.given.result import Probe
from eigencode.models.checkpoint import load_weights
from eigencode.models.factory import build, settings_of
from eigencode.models.standardised import Standardised, as_expected

UNTRAINED = "no weights were given, so this network is untrained: --weights FILE"
LISTED = 30
"""Places shown to somebody who names none."""


@dataclass(frozen=True)
class Asked:
    """The words of `eigencode probe`; lists are comma-separated, a window is FROM:TO."""

    factory: str
    place: str | None
    weights: Path | None = None
    data: str = "cifar10"
    data_dir: Path | None = None
    images: int = 500
    window: str | None = None
    settings: tuple[str, ...] = ()
    expects: str | None = None
    mean: str | None = None
    std: str | None = None
    seed: int = 0
    out: Path | None = None

    def answered(self) -> Probe:
        """Build the network, load weights and images, and measure.

        The working directory joins the import path.  What somebody's code prints goes to standard error.
        """
        window, settings = None if self.window is None else ranks(self.window), settings_of(self.settings)
        mean, std = _numbers("mean", self.mean), _numbers("std", self.std)
        expects = self.expects or ("0-1" if mean is None and std is None else "standardised")
        if self.out is not None:
            _make(self.out)
        here = os.getcwd()
        if here not in sys.path:
            sys.path.insert(0, here)
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore", EigencodeWarning)  # they are shown with the table
            bare = build(self.factory, settings, self.seed)
            notes = load_weights(bare, self.weights) if self.weights is not None else ()
            if self.place is None:
                raise _no_place(bare)
            train, test = load(self.data, self.data_dir)
            net = as_expected(bare, expects, train, mean, std)
            trained = self.weights is not None
            said = () if trained else (UNTRAINED,)
            told = (*notes, *_scaling(net), *said)
            common = (net, test, self.place)
            return probe(*common, images=self.images, window=window, trained=trained, notes=told, seed=self.seed)


def _numbers(name: str, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--{name} is not a list of numbers", got=text, wanted="one per channel", fix=f"--{name} 0.49,0.48,0.45"
        ) from None


def _make(folder: Path) -> None:
    """Before anything is measured, so that nothing is lost if it cannot be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "results cannot be kept there", got=error, wanted="a folder, or a path where one can be made"
        ) from None


def _no_place(net: nn.Module) -> InputError:
    aliases: dict[str, str] = getattr(net, "places", {})
    known = [*aliases, *(name for name, _ in net.named_modules() if name)]
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return InputError(
        "where are spectrum and Jacobian to be read?",
        wanted=f"one of {', '.join([*known[:LISTED], 'logits'])}{more}",
        fix=f"--place {known[-2] if len(known) > 1 else 'logits'}",
    )


def _scaling(net: nn.Module) -> tuple[str, ...]:
    if not isinstance(net, Standardised):
        return ()
    mean, std = (", ".join(f"{v:.4g}" for v in x.flatten().tolist()) for x in (net.mean, net.std))
    return (f"before the network every channel is scaled to (x - mean) / std with mean {mean} and std {std}",)
