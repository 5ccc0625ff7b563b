"""Measure a given network (`probe`) or recorded responses (`recorded`), with the tables and pages of a study."""

from eigencode.given.probe import probe
from eigencode.given.recording import recorded
from eigencode.given.result import Given, Probe

__all__ = ["Given", "Probe", "probe", "recorded"]
