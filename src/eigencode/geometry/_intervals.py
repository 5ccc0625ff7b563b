"""Mean and median over independent images, with 95 % intervals."""

import math

from jaxtyping import Float
from scipy import special
from torch import Tensor

from eigencode.base.intervals import t_interval
from eigencode.base.record import Estimate


def mean_estimate(values: Float[Tensor, " images"]) -> Estimate:
    """Mean with its 95 % t interval over images (NaN bounds for a single image).

    >>> import torch
    >>> print(mean_estimate(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)))
    2 [-0.4841, 4.484]
    """
    return Estimate(*t_interval(values.tolist()), len(values), "95 % t interval over images")


def median_estimate(values: Float[Tensor, " images"]) -> Estimate:
    """Median with a 95 % interval of order statistics (binomial; at least 95 %, NaN below 6 images).

    >>> import torch
    >>> print(median_estimate(torch.arange(1.0, 102.0, dtype=torch.float64)))
    51 [41, 61]
    """
    n = len(values)
    ordered = values.sort().values
    below = int((special.bdtr(range(n), n, 0.5) < 0.025).sum())  # P(fewer than `below` images under the median) < 2.5 %
    low, high = (float(ordered[below - 1]), float(ordered[n - below])) if below >= 1 else (math.nan, math.nan)
    middle = float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    return Estimate(middle, low, high, n, "95 % binomial interval of order statistics over images")
