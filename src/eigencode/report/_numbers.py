"""Format numbers as mean ± spread."""

import math


def measured(mean: float, spread: float = math.nan) -> str:
    """Format a mean and its spread over seeds to two digits of the spread; without spread, to four digits.

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
