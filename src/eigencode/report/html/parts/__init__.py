"""Data of the figures of a page.  A new figure is one file here, one row in PARTS, one file in browser/."""

from collections.abc import Callable
from typing import Any

from eigencode.report.html.parts.curves import curves
from eigencode.report.html.parts.fields import fields
from eigencode.report.html.parts.landscapes import landscapes
from eigencode.report.html.parts.sizes import sizes
from eigencode.report.html.parts.spectra import spectra
from eigencode.report.html.parts.tradeoff import tradeoff
from eigencode.report.html.parts.training import training
from eigencode.report.html.parts.widths import widths
from eigencode.report.html.shown import Shown

PARTS: dict[str, Callable[[Shown], Any]] = {
    "curves": curves,
    "sizes": sizes,
    "spectra": spectra,
    "widths": widths,
    "tradeoff": tradeoff,
    "landscapes": landscapes,
    "fields": fields,
    "training": training,
}
"""Name -> function from the shown runs to JSON data."""

__all__ = ["PARTS"]
