"""Networks with named places, and the layers they are made of."""

from eigencode.models.checkpoint import load_weights
from eigencode.models.convergence import Convergence, convergence
from eigencode.models.factory import build
from eigencode.models.files import load, save
from eigencode.models.layers import Dense, KrotovHopfieldEncoder, RePU, UnitNorm
from eigencode.models.network import Network, krotov_hopfield, perceptron
from eigencode.models.pruning import Pruning, prune
from eigencode.models.standardised import Standardised, as_expected
from eigencode.representation.at import Code, at

KrotovHopfield = KrotovHopfieldEncoder

__all__ = [
    "Code",
    "Convergence",
    "Dense",
    "KrotovHopfield",
    "KrotovHopfieldEncoder",
    "Network",
    "Pruning",
    "RePU",
    "Standardised",
    "UnitNorm",
    "as_expected",
    "at",
    "build",
    "convergence",
    "krotov_hopfield",
    "load",
    "load_weights",
    "perceptron",
    "prune",
    "save",
]
