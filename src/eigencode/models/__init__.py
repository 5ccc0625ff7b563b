"""Networks with named places, and the layers they are made of."""

from eigencode.base.places import Code, at
from eigencode.models.files import load, save
from eigencode.models.layers import Dense, KrotovHopfieldEncoder, RePU, UnitNorm
from eigencode.models.network import Network, krotov_hopfield, perceptron

KrotovHopfield = KrotovHopfieldEncoder

__all__ = [
    "Code",
    "Dense",
    "KrotovHopfield",
    "KrotovHopfieldEncoder",
    "Network",
    "RePU",
    "UnitNorm",
    "at",
    "krotov_hopfield",
    "load",
    "perceptron",
    "save",
]
