"""Spectrum, smoothness and robustness of a network of one's own, with the measures of a study."""

from eigencode.study.probe.measure import probe as probe
from eigencode.study.probe.record import Probe as Probe
