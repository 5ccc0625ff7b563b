"""Axes that can be read: few numbers, all of them in view; and figures drawn no oftener than needed."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from eigencode.report.figures._style import log_axis, save, style


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1.04, 3.1),
        (0.036, 0.12),
        (1e-6, 8.25),
        (2.0, 2.1),
        (0.9, 1.1e3),
        (9.8e-8, 1.02e-7),
        (3, 3.0),
        (2.000001, 2.000002),
    ],
)
def test_a_logarithmic_axis_has_few_numbers_and_all_of_them_in_view(low: float, high: float) -> None:
    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.plot([low, high], [0, 1])
    log_axis(axes.xaxis)
    axes.figure.canvas.draw()
    first, last = axes.get_xlim()
    told = [t.get_text() for t in axes.get_xticklabels(which="both") if t.get_text()]
    assert 3 <= len(told) <= 6
    assert len(set(told)) == len(told)
    values = [10 ** float(t.strip("$}").split("{")[-1]) if "{" in t else float(t.replace("−", "-")) for t in told]
    assert sum(first <= v <= last for v in values) >= 2


def test_saving_draws_once_per_kind_and_once_for_the_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, draw = [], Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: drawn.append(self.dpi) or draw(self, renderer))
    with style():
        figure = Figure()
        axes = figure.subplots()
        axes.imshow([[0.0, 1.0], [2.0, 3.0]], interpolation="bilinear")  # pixels inside a drawing of lines
        _, svg, pdf = save(figure, tmp_path / "by_canvas")
        assert len(drawn) == 4
        again, again_pdf = tmp_path / "by_savefig.svg", tmp_path / "by_savefig.pdf"
        figure.savefig(again, metadata={"Date": None, "Creator": None})
        figure.savefig(again_pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    assert svg.read_bytes() == again.read_bytes()
    assert pdf.read_bytes() == again_pdf.read_bytes()
