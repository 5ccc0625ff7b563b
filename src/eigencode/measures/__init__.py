"""Measures: what a study can ask of a network.  One file each; add one to `__all__` and every study can name it."""

from eigencode.measures.accuracy import AccuracyMeasure
from eigencode.measures.certified import CertifiedMeasure
from eigencode.measures.convergence import ConvergenceMeasure
from eigencode.measures.critical import CriticalMeasure
from eigencode.measures.curve import CurveMeasure
from eigencode.measures.jacobian import JacobianMeasure
from eigencode.measures.landscape import LandscapeMeasure
from eigencode.measures.protocol import Measure, Reading, Subject
from eigencode.measures.pruning import PruningMeasure, Units
from eigencode.measures.spectrum import SpectrumMeasure
from eigencode.measures.widths import Widths, WidthsMeasure

__all__ = [
    "AccuracyMeasure",
    "CertifiedMeasure",
    "ConvergenceMeasure",
    "CriticalMeasure",
    "CurveMeasure",
    "JacobianMeasure",
    "LandscapeMeasure",
    "Measure",
    "PruningMeasure",
    "Reading",
    "SpectrumMeasure",
    "Subject",
    "Units",
    "Widths",
    "WidthsMeasure",
]
