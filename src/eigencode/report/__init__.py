"""Level 5: tables, figures and the page of a study, figures of a probe.  Reads results, never a model."""

from eigencode.report.build import build
from eigencode.report.probed import draw_probe
from eigencode.report.run import StudyRun

__all__ = ["StudyRun", "build", "draw_probe"]
