"""A probe is drawn by the figures of a study."""

from pathlib import Path

import pytest
import torch
from eigencode.report.probed import Probed
from torch import nn

import eigencode as ec
from eigencode.report import draw_probe
from eigencode.report.figures.robustness import robustness
from eigencode.report.figures.spectra import spectra
from eigencode.report.figures.style import style

FIGURES = ("robustness", "slopes", "spectra", "windows")


@pytest.fixture(scope="module")
def found() -> ec.Probe:
    _, test = ec.load("digits")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    attacks = {"FGSM": ec.robustness.FGSM(), "noise": ec.robustness.Gaussian()}
    return ec.probe(
        net, test, "2", images=40, window=(2, 20), attacks=attacks, points=5, trained=False, name="$mine", seed=0
    )


def test_spectrum_and_fit_are_drawn(found: ec.Probe) -> None:
    with style():
        (axes,) = spectra(Probed(found), found.data).axes
    eigenvalues, fit = axes.lines[:2]
    values = found.spectrum.eigenvalues
    torch.testing.assert_close(torch.tensor(eigenvalues.get_ydata()), values[values > 0] / values[0])
    x, y = (torch.tensor(v, dtype=torch.float64) for v in fit.get_data())
    assert x.tolist() == [2.0, 20.0]
    slope = (y[1] / y[0]).log() / (x[1] / x[0]).log()
    assert float(-slope) == pytest.approx(found.law.alpha, rel=1e-5)
    assert axes.get_legend().get_texts()[0].get_text() == f"\\$mine  α = {found.law.alpha:.2f}"


def test_curves_and_critical_sizes_are_drawn(found: ec.Probe) -> None:
    with style():
        panels = robustness(Probed(found), found.data).axes
    assert [axes.get_title() for axes in panels] == ["FGSM", "noise"] * 2
    for axes, name in zip(panels, found.curves, strict=False):
        torch.testing.assert_close(torch.tensor(axes.lines[0].get_ydata()), found.curves[name].relative_accuracy)
    for axes, name in zip(panels[2:], found.critical, strict=True):
        medians = [line for line in axes.lines if line.get_color() == "black" and len(set(line.get_ydata())) == 1]
        assert float(found.critical[name].size.median()) > 0
        assert any(
            line.get_ydata()[0] == pytest.approx(float(found.critical[name].size.quantile(0.5))) for line in medians
        )


def test_files(found: ec.Probe, tmp_path: Path, coarse: None) -> None:
    files = draw_probe(found, tmp_path / "new" / "folder")
    assert sorted(p.name for p in files) == sorted(f"{n}.{k}" for n in FIGURES for k in ("pdf", "png", "svg"))
    assert all(p.stat().st_size > 1000 for p in files)
    again = draw_probe(found, tmp_path / "again")
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in files]


def test_other_networks_are_not_in_it(found: ec.Probe) -> None:
    assert Probed(found).load(ec.Spectrum, data=found.data, model="data", quantity="2") == []
    assert len(Probed(found).load(ec.Spectrum, data=found.data, model="$mine", quantity="2")) == 1


def test_no_fit_and_nothing_correct_can_be_drawn(tmp_path: Path, coarse: None) -> None:
    _, test = ec.load("digits")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Linear(3, 11))
    nn.init.zeros_(net[2].weight)
    net[2].bias.data = 2 * torch.eye(11)[10]  # always the eleventh of ten classes
    with pytest.warns(ec.EigencodeWarning, match="11 outputs"):
        wrong = ec.probe(net, test, "1", images=5, attacks={"FGSM": ec.robustness.FGSM()}, points=3, trained=False)
    assert (wrong.law, wrong.critical["FGSM"].n_correct) == (None, 0)
    assert len(draw_probe(wrong, tmp_path)) == 6
