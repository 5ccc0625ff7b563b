"""Measures as published, for studies to find by name."""

from eigencode.paper.grid import CriticalOnGridMeasure
from eigencode.paper.single import SpectrumInSingleMeasure

__all__ = ["CriticalOnGridMeasure", "SpectrumInSingleMeasure"]
