"""Tables, figures and pages of studies.  Reads results, never a model."""

from eigencode.report.build import build, compare
from eigencode.report.run import StudyRun

__all__ = ["StudyRun", "build", "compare"]
