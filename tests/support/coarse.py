"""Figures that are quick to draw, for tests that do not look at them."""

import pytest


def draw_coarsely(patch: pytest.MonkeyPatch) -> None:
    """Fewer pixels, and no fonts cut to size."""
    from eigencode.report.figures._style import SETTINGS

    patch.setitem(SETTINGS, "savefig.dpi", 40)
    patch.setitem(SETTINGS, "pdf.fonttype", 3)
