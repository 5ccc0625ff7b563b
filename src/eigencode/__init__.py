"""eigencode: the spectrum, smoothness and robustness of neural codes.

This file is the table of contents of the public API; a name is imported when it is first used, so that importing
the package costs nothing.  `dir(eigencode)` lists everything.
"""

import importlib
from typing import Any

__version__ = "0.2.0"

_MODULES = (
    "data",
    "geometry",
    "measures",
    "models",
    "penalties",
    "robustness",
    "rules",
    "spectra",
    "study",
    "training",
)

_NAMES = {
    "eigencode.base.errors": (
        "ConvergenceWarning",
        "DataError",
        "EigencodeError",
        "EigencodeWarning",
        "InputError",
        "StudyError",
        "TrainingError",
    ),
    "eigencode.representation": ("Code", "at", "between", "places", "trace"),
    "eigencode.base.record": ("Estimate", "Record"),
    "eigencode.base.types": ("Bounds", "Images"),
    "eigencode.data": ("load",),
    "eigencode.geometry": ("jacobian_norm", "landscape"),
    "eigencode.given": ("Probe", "Profile", "probe", "profile"),
    "eigencode.models": ("convergence", "prune"),
    "eigencode.spectra": ("SignalSpectrum", "Spectrum", "cross_spectrum", "cvpca", "signal_spectrum", "spectrum"),
    "eigencode.training": ("train_local", "train_supervised"),
}

_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = ["__version__", *_MODULES, *_HOME]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"eigencode.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'eigencode' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
