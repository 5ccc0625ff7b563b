"""Mean over seeds with its interval and p-value over seeds and images, and Holm's correction for many of them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import special

Z = float(special.ndtri(0.975))
"""Half width of a 95 % interval of the normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Mean:
    """A mean over seeds, with the variance it owes to the seeds and to the images that all seeds share.

    The error in units of its standard deviation is taken as a mixture of Student's t of the seeds and of the normal
    distribution, weighted by the shares of seeds and images in the variance: this is the t interval where the images
    contribute nothing, and the interval of the images where the seeds contribute nothing.  Between them it may be
    narrower than the t interval, since the error of an estimated variance matters less (as in Satterthwaite's 1946
    approximation, which covers 88 % with two seeds; this one 93 to 96 %).

    Attributes:
        seeds: their number; for an effect over groups of networks, its degrees of freedom + 1.
        over_seeds: variance of the mean over seeds, s² divided by their number.
        below, above: variance over images on the side of smaller and larger truths; infinite where unknown.
    """

    value: float
    seeds: float
    over_seeds: float
    below: float = 0.0
    above: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float], lows: Sequence[float] = (), highs: Sequence[float] = ()) -> "Mean":
        """Mean of one number per seed with the 95 % intervals over images, if there are any.

        All seeds see the same images, so the images' variance does not shrink with the number of seeds: it is the mean
        of those of the seeds that have an interval.  An interval that does not contain its value is none.  A single
        seed without an interval may be off by anything.

        >>> one = Mean.of([2.0], [1.5], [3.0])
        >>> round(one.low, 6), round(one.high, 6)
        (1.5, 3.0)
        >>> three = Mean.of([1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [2.0, 3.0, 4.0])
        >>> round(three.low, 3), round(three.high, 3)
        (-0.426, 4.426)
        """
        n, mean = len(values), math.fsum(values) / len(values)
        own = [(v - low, high - v) for v, low, high in zip(values, lows, highs, strict=False) if low <= v <= high]
        sides = [statistics.fmean((reach / Z) ** 2 for reach in side) for side in zip(*own, strict=True)]
        below, above = sides or ([0.0, 0.0] if n > 1 else [math.inf, math.inf])
        return cls(mean, n, statistics.variance(values) / n if n > 1 else 0.0, below, above)

    def __neg__(self) -> "Mean":
        return Mean(-self.value, self.seeds, self.over_seeds, self.above, self.below)

    def __sub__(self, constant: float) -> "Mean":
        return replace(self, value=self.value - constant)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - self._reach(self.below)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + self._reach(self.above)

    @property
    def p(self) -> float:
        """Two-sided p-value of a true mean of zero: below 0.05 if the 95 % interval excludes zero.

        NaN if nothing varies towards zero: all seeds agree, and the images have no part in it.
        """
        variance = self.over_seeds + (self.below if self.value > 0 else self.above)
        if variance in (0, math.inf):
            return 1.0 if variance else math.nan
        return _beyond(abs(self.value) / math.sqrt(variance), self.seeds, self.over_seeds / variance)

    def differs(self, level: float = 0.05) -> bool:
        """True if the mean differs from zero significantly, or in all seeds alike."""
        return self.value != 0 if math.isnan(self.p) else self.p < level

    def _reach(self, images: float) -> float:
        variance = self.over_seeds + images
        if not 0 < variance < math.inf:
            return variance
        return _quantile(self.seeds, self.over_seeds / variance) * math.sqrt(variance)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: below 0.05, a difference stands among all of these tests with 95 % confidence.

    NaN stays NaN and is not counted.  Source: Holm 1979, Scandinavian Journal of Statistics 6, 65.

    >>> holm([0.03, 0.01, math.nan, 0.04])
    [0.06, 0.03, nan, 0.06]
    """
    found, largest = list(p), 0.0
    tested = sorted((i for i, one in enumerate(p) if not math.isnan(one)), key=lambda i: p[i])
    for rank, i in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p[i]))
        found[i] = largest
    return found


def _beyond(u: float, n: float, share: float) -> float:
    """Probability of an error beyond ±u standard deviations; `share`: part of the variance that seeds contribute."""
    seeds = float(special.stdtr(n - 1, -u)) if share else 0.0
    return 2 * (share * seeds + (1 - share) * float(special.ndtr(-u)))


def _quantile(n: float, share: float) -> float:
    """The u with 5 % of the errors beyond ±u."""
    if share == 0:
        return Z
    student = float(special.stdtrit(n - 1, 0.975))
    if share == 1:
        return student
    from scipy.optimize import brentq  # here: half a second

    return float(brentq(lambda u: _beyond(u, n, share) - 0.05, 0.999 * Z, 1.001 * student))
