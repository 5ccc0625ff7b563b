"""Student's t interval of a mean."""

import math
import statistics
from collections.abc import Sequence

import torch
from scipy import special

from eigencode.base.groups import Groups


def t95(n: float) -> float:
    """Half the width of a 95 % t interval of the mean of `n` values, in standard errors; NaN for a single value.

    >>> round(t95(3), 2), round(t95(100), 2)
    (4.3, 1.98)
    """
    return float(special.stdtrit(n - 1, 0.975)) if n > 1 else math.nan


def t_interval(values: Sequence[float], groups: Groups | None = None) -> tuple[float, float, float]:
    """Mean and 95 % t interval of independent values, as (mean, low, high); NaN bounds for a single value.

    Values that belong together take `groups`: their sandwich variance, and the effective number of groups − 1
    degrees of freedom.

    >>> [round(v, 3) for v in t_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    n, mean = len(values), math.fsum(values) / len(values)
    if groups is not None:
        error = math.sqrt(groups.variance(torch.tensor(values, dtype=torch.float64)))
        half = math.nan if groups.too_few else t95(groups.effective) * error
        return mean, mean - half, mean + half
    if n < 2 or not math.isfinite(mean):
        return mean, math.nan, math.nan
    half = t95(n) * statistics.stdev(values, mean) / math.sqrt(n)
    return mean, mean - half, mean + half
