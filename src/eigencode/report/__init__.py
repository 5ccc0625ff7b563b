"""Level 5: tables, figures and pages of studies, figures of a probe.  Reads results, never a model."""

from eigencode.report.build import build, compare
from eigencode.report.probed import draw_probe
from eigencode.report.run import StudyRun

__all__ = ["StudyRun", "build", "compare", "draw_probe"]
