"""Tables, figures and web pages of studies, from stored results only."""

from eigencode.report.build import build, compare
from eigencode.report.run import StudyRun

__all__ = ["StudyRun", "build", "compare"]
