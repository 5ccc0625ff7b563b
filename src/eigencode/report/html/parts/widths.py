"""Spectra of nested random sets of units, first seed."""

from typing import Any

from eigencode.base.errors import InputError
from eigencode.measures.widths import Widths
from eigencode.report.html._thinned import digits, room
from eigencode.report.html.shown import Shown
from eigencode.spectra.spectrum import Spectrum
from eigencode.spectra.windows import grid

CHARACTERS, EACH = 200_000, 14


def widths(shown: Shown) -> list[dict[str, Any]]:
    """Data of the nested spectra: one entry per run, data set, model and spectrum; fits end at half of the units."""
    points = room(CHARACTERS, 5 * shown.cells("widths"), EACH, 12, 60)
    entries = []
    for item, quantity, records in shown.found("widths", Widths):
        fit = item.run.fits[quantity]
        parts = [_one(spectrum, fit, points) for spectrum in records[0].spectra]
        entries.append({**item.entry(shown.quantities.index(quantity)), "widths": parts})
    return entries


def _one(spectrum: Spectrum, fit: dict[str, Any], points: int) -> dict[str, Any]:
    window = (int(fit["window"][0]), min(int(fit["window"][1]), spectrum.n_units // 2))
    ranks = grid(len(spectrum.eigenvalues), points)
    values = [float(spectrum.eigenvalues[n - 1] / spectrum.eigenvalues[0]) for n in ranks]
    entry = {"units": spectrum.n_units, "ranks": ranks, "values": [v if v > 0 else None for v in digits(values)]}
    try:
        law = spectrum.power_law(window, fit["weights"])
    except InputError:  # too few units for this window
        return entry
    return {**entry, "window": list(window), "alpha": law.alpha, "intercept": law.intercept}
