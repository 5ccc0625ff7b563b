"""Tables, figures and web pages of studies, from stored results only."""

from eigencode.report.build import build as build, compare as compare
from eigencode.report.run import StudyRun as StudyRun
