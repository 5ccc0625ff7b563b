"""Studies of one network, or of responses, that somebody gives: measures, tables and pages of any study."""

from eigencode.given.probe import probe
from eigencode.given.recording import recorded
from eigencode.given.result import Given, Probe

__all__ = ["Given", "Probe", "probe", "recorded"]
