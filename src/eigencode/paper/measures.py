"""Measures as published, for studies to find by name."""

from eigencode.paper.grid import CriticalOnGridMeasure as CriticalOnGridMeasure
from eigencode.paper.single import SpectrumInSingleMeasure as SpectrumInSingleMeasure
