"""Format numbers as mean ± half of an interval."""

import math


def measured(mean: float, spread: float = math.nan) -> str:
    """Format a mean and its uncertainty to two digits of the uncertainty; without one, to four digits.

    >>> measured(0.87931, 0.0081), measured(2.4408, 0.0315), measured(0.1234567), measured(math.inf)
    ('0.8793 ± 0.0081', '2.441 ± 0.032', '0.1235', '∞')
    """
    if not math.isfinite(mean):
        return "–" if math.isnan(mean) else "∞" if mean > 0 else "−∞"
    if not math.isfinite(spread) or spread <= 0:
        return f"{mean:.4g}"
    if not 1e-7 < spread < 1e6 or abs(mean) >= 1e9:
        return f"{mean:.3e} ± {spread:.1e}"
    width = float(f"{spread:.1e}")  # 0.0996 is 0.10, not 0.100
    digits = max(0, 1 - math.floor(math.log10(width)))
    return f"{round(mean, digits) + 0.0:.{digits}f} ± {width:.{digits}f}"  # + 0.0: no negative zero


def ranged(mean: float, low: float, high: float) -> str:
    """Format a mean ± the larger half of its 95 % interval, or with the one end of an interval that has only one.

    >>> ranged(0.8793, 0.87, 0.89), ranged(13.73, 12.8, math.inf), ranged(13.73, math.nan, math.nan)
    ('0.879 ± 0.011', '13.73 (> 12.8)', '13.73')
    """
    if math.isfinite(low) == math.isfinite(high):
        return measured(mean, max(mean - low, high - mean))
    return f"{measured(mean)} (> {measured(low)})" if math.isfinite(low) else f"{measured(mean)} (< {measured(high)})"
