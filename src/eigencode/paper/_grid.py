"""Measure of critical sizes on a grid of eps, as published."""

from dataclasses import dataclass, field

from eigencode.base.types import Space
from eigencode.measures.critical import CriticalMeasure
from eigencode.measures.protocol import Count, Range, Some, Subject, logarithmic
from eigencode.paper.published.grid import first_on_grid
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class CriticalOnGridMeasure(CriticalMeasure):
    """Critical size of an image as the smallest of `points` logarithmically spaced eps at which the attack succeeds."""

    attack: Perturbation
    space: Space = "unit"
    images: Some = None
    eps_max: None = field(default=None, init=False, repr=False)
    tolerance: float = field(default=0.0, init=False, repr=False)
    eps: Range = (1e-6, 10**-1.5)
    points: Count = 400

    def measure(self, subject: Subject) -> CriticalSizes:
        grid, some = logarithmic(self.eps, self.points), subject.some(self.images)
        return first_on_grid(subject.network, some, self.attack, grid, self.space, seed=subject.seed)
