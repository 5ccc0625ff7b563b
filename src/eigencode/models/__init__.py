"""Networks as stacks of named layers, the layers they are made of, and their files."""

from eigencode.models.builders import krotov_hopfield, perceptron
from eigencode.models.checkpoint import load_weights
from eigencode.models.factory import build
from eigencode.models.files import load, save
from eigencode.models.layers import Dense, RePU, UnitNorm
from eigencode.models.local import LocalConv2d, LocalDense, LocalLayer, convergence, local_layer, local_layers
from eigencode.models.pruning import Pruning, prune
from eigencode.models.stack import Stack
from eigencode.models.standardised import Standardised, as_expected
from eigencode.representation.at import Code, at
from eigencode.rules.convergence import Convergence

__all__ = [
    "Code",
    "Convergence",
    "Dense",
    "LocalConv2d",
    "LocalDense",
    "LocalLayer",
    "Pruning",
    "RePU",
    "Stack",
    "Standardised",
    "UnitNorm",
    "as_expected",
    "at",
    "build",
    "convergence",
    "krotov_hopfield",
    "load",
    "load_weights",
    "local_layer",
    "local_layers",
    "perceptron",
    "prune",
    "save",
]
