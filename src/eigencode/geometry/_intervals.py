"""Mean and median over images, with 95 % intervals."""

import math

from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from eigencode.base.groups import Groups
from eigencode.base.intervals import t95, t_interval
from eigencode.base.record import Estimate


def known(values: Float[Tensor, " images"], groups: Int[Tensor, " images"] | None) -> tuple[Tensor, Tensor | None]:
    """Leave out the values that are NaN, and their groups."""
    there = ~values.isnan()
    return values[there], None if groups is None else groups[there]


def mean_estimate(values: Float[Tensor, " images"], groups: Int[Tensor, " images"] | None = None) -> Estimate:
    """Mean with its 95 % t interval over images (NaN bounds for a single image), or over `groups` of them.

    >>> import torch
    >>> print(mean_estimate(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)))
    2 [-0.4841, 4.484]
    """
    together = Groups.of(groups)
    how = "95 % t interval over images" if together is None else together.told("95 % t interval")
    return Estimate(*t_interval(values.tolist(), together), len(values), how)


def median_estimate(values: Float[Tensor, " images"], groups: Int[Tensor, " images"] | None = None) -> Estimate:
    """Median with a 95 % interval of order statistics (binomial; at least 95 %, NaN below 6 images).

    With `groups`, the order statistics at the ends of the interval of the share of images below the median (Woodruff
    1952).

    >>> import torch
    >>> print(median_estimate(torch.arange(1.0, 102.0, dtype=torch.float64)))
    51 [41, 61]
    """
    n = len(values)
    ordered = values.sort().values
    below = int((special.bdtr(range(n), n, 0.5) < 0.025).sum())  # P(fewer than `below` images under the median) < 2.5 %
    low, high = (float(ordered[below - 1]), float(ordered[n - below])) if below >= 1 else (math.nan, math.nan)
    middle = float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    together = Groups.of(groups)
    if together is not None:
        half = t95(together.effective) * math.sqrt(together.variance((values <= middle).double()))
        below = math.floor(n * (0.5 - half)) if not together.too_few else 0
        low, high = (float(ordered[below - 1]), float(ordered[n - below])) if below >= 1 else (math.nan, math.nan)
        return Estimate(middle, low, high, n, together.told("95 % interval of order statistics"))
    return Estimate(middle, low, high, n, "95 % binomial interval of order statistics over images")
