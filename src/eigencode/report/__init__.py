"""Level 5: tables, figures and the page of a study.  Reads results.json and the store, never a model."""

from eigencode.report.build import build
from eigencode.report.run import StudyRun

__all__ = ["StudyRun", "build"]
