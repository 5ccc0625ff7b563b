"""Measures as in the published code; studies find them here by name."""

from eigencode.paper._grid import CriticalOnGridMeasure as CriticalOnGridMeasure
from eigencode.paper._single import SpectrumInSingleMeasure as SpectrumInSingleMeasure
