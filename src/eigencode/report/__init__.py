"""Tables, figures and web pages of studies and probes, from stored results only."""

from eigencode.report.build import build as build, compare as compare
from eigencode.report.probed import draw_probe as draw_probe
from eigencode.report.run import StudyRun as StudyRun
