"""The window of ranks that is fitted if none is given."""

from eigencode.spectra.power_law import Window

USUAL = (11, 500)
"""Default window, if there are as many eigenvalues."""


def default_window(usable: int) -> Window:
    """Ranks 11..500, or of K < 500 usable eigenvalues min(11, K/20)..K/2.

    >>> default_window(1000), default_window(60)
    ((11, 500), (3, 30))
    """
    return USUAL if usable >= USUAL[1] else (min(11, max(1, usable // 20)), max(usable // 2, 1))
