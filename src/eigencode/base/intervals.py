"""Student's t interval of a mean."""

import math
import statistics
from collections.abc import Sequence

from scipy import special


def t95(n: int) -> float:
    """Half the width of a 95 % t interval of the mean of `n` values, in standard errors; NaN for a single value.

    >>> round(t95(3), 2), round(t95(100), 2)
    (4.3, 1.98)
    """
    return float(special.stdtrit(n - 1, 0.975)) if n > 1 else math.nan


def t_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % t interval of independent values, as (mean, low, high); NaN bounds for a single value.

    >>> [round(v, 3) for v in t_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    n, mean = len(values), math.fsum(values) / len(values)
    if n < 2:
        return mean, math.nan, math.nan
    half = t95(n) * statistics.stdev(values, mean) / math.sqrt(n)
    return mean, mean - half, mean + half
