"""Tables, figures and web pages of studies and probes, from stored results only."""

from eigencode.report.build import build, compare
from eigencode.report.probed import draw_probe
from eigencode.report.run import StudyRun

__all__ = ["StudyRun", "build", "compare", "draw_probe"]
