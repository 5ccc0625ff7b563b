"""Spectrum, smoothness and robustness of a network of one's own, with the measures of a study."""

from eigencode.study.probe.measure import probe
from eigencode.study.probe.record import Probe

__all__ = ["Probe", "probe"]
