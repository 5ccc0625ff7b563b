"""Spectra of nested random sets of units, first seed."""

from typing import Any

from eigencode.base.errors import InputError
from eigencode.report.html.shown import Place, Shown
from eigencode.report.html.thinned import digits, room
from eigencode.spectra.spectrum import Spectrum
from eigencode.spectra.windows import grid

CHARACTERS, EACH = 200_000, 14


def widths(shown: Shown) -> list[dict[str, Any]]:
    """Data of the nested spectra: one entry per run, data set, model and spectrum; fits end at half of the units."""
    points = room(CHARACTERS, 5 * shown.cells("widths"), EACH, 12, 60)
    entries = []
    for place in shown.places():
        for quantity in place.run.quantities("widths"):
            cells = place.run.cells(data=place.data_name, model=place.model_name, quantity=quantity)
            if cells:
                parts = _parts(place, cells[0]["key"], _fit(place, quantity), points)
                entries.append({**place.entry(shown.quantities.index(quantity)), "widths": parts})
    return entries


def _fit(place: Place, quantity: str) -> dict[str, Any]:
    nested = [s for s in place.run.results["study"]["spectra"] if s["widths"]]
    fits: dict[str, dict[str, Any]] = dict(zip(place.run.quantities("widths"), nested, strict=True))
    return fits[quantity]


def _parts(place: Place, key: str, fit: dict[str, Any], points: int) -> list[dict[str, Any]]:
    folders = sorted(place.run.step(key).glob("width-*"), key=lambda p: int(p.name.partition("-")[2]))
    return [_one(place.run.read(Spectrum, folder), fit, points) for folder in folders]


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
