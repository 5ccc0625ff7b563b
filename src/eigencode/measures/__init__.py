"""Measurements that a study can make of a network.  To add one: one file, one import here; studies find it by name."""

from eigencode.measures.accuracy import AccuracyMeasure as AccuracyMeasure
from eigencode.measures.bound import BoundMeasure as BoundMeasure
from eigencode.measures.certified import CertifiedMeasure as CertifiedMeasure
from eigencode.measures.convergence import ConvergenceMeasure as ConvergenceMeasure
from eigencode.measures.critical import CriticalMeasure as CriticalMeasure
from eigencode.measures.curve import CurveMeasure as CurveMeasure
from eigencode.measures.expressivity import Expressivity as Expressivity, ExpressivityMeasure as ExpressivityMeasure
from eigencode.measures.jacobian import JacobianMeasure as JacobianMeasure
from eigencode.measures.landscape import LandscapeMeasure as LandscapeMeasure
from eigencode.measures.margin import MarginMeasure as MarginMeasure
from eigencode.measures.protocol import Measure as Measure, Reading as Reading, Subject as Subject
from eigencode.measures.pruning import PruningMeasure as PruningMeasure, Units as Units
from eigencode.measures.ridge import RidgeAccuracy as RidgeAccuracy, RidgeMeasure as RidgeMeasure
from eigencode.measures.sharded import Sharded as Sharded
from eigencode.measures.signal import SignalMeasure as SignalMeasure
from eigencode.measures.spectrum import SpectrumMeasure as SpectrumMeasure
from eigencode.measures.tangents import TangentsMeasure as TangentsMeasure
from eigencode.measures.widths import Widths as Widths, WidthsMeasure as WidthsMeasure
