"""Measure given networks (`probe` one place, `profile` every place) or recorded responses (`recorded`)."""

from eigencode.given.probe import probe
from eigencode.given.profile import profile
from eigencode.given.profiled import PlaceProfile, Profile
from eigencode.given.recording import recorded
from eigencode.given.result import Given, Probe

__all__ = ["Given", "PlaceProfile", "Probe", "Profile", "probe", "profile", "recorded"]
