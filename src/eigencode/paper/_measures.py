"""Measures as published, for studies to find by name."""

from eigencode.paper._grid import CriticalOnGridMeasure as CriticalOnGridMeasure
from eigencode.paper._single import SpectrumInSingleMeasure as SpectrumInSingleMeasure
