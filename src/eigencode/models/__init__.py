"""Networks with named places, and the layers they are made of."""

from eigencode.base.places import Code, at
from eigencode.models.convergence import Convergence, convergence
from eigencode.models.files import load, save
from eigencode.models.layers import Dense, KrotovHopfieldEncoder, RePU, UnitNorm
from eigencode.models.network import Network, krotov_hopfield, perceptron
from eigencode.models.pruning import Pruning, prune

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
    "UnitNorm",
    "at",
    "convergence",
    "krotov_hopfield",
    "load",
    "perceptron",
    "prune",
    "save",
]
