"""A probe that was saved is drawn by the figures and the page of a study."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command import inside
from torch import nn

import eigencode as ec
from eigencode.report import StudyRun
from eigencode.report._numbers import measured, ranged
from eigencode.report.figures._style import style
from eigencode.report.figures.robustness import robustness
from eigencode.report.figures.spectra import spectra
from eigencode.report.view import View


@pytest.fixture(scope="module")
def found() -> ec.Probe:
    _, test = ec.load("digits")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    attacks = {"FGSM": ec.robustness.FGSM(), "noise": ec.robustness.Gaussian()}
    return ec.probe(
        net, test, "2", images=40, window=(2, 20), attacks=attacks, points=5, trained=False, name="$mine", seed=0
    )


@pytest.fixture
def run(found: ec.Probe, tmp_path: Path, one_figure: None) -> StudyRun:
    found.save(tmp_path / "saved")
    return StudyRun.found(tmp_path / "saved")


def test_spectrum_and_fit_are_drawn(found: ec.Probe, run: StudyRun) -> None:
    with style():
        (axes,) = next(iter(spectra(View([run]), "digits/test"))).panels
    eigenvalues, fit = axes.lines[:2]
    values = found.spectrum.eigenvalues
    torch.testing.assert_close(torch.tensor(eigenvalues.get_ydata()), values[values > 0] / values[0])
    x, y = (torch.tensor(v, dtype=torch.float64) for v in fit.get_data())
    assert x.tolist() == [2.0, 20.0]
    slope = (y[1] / y[0]).log() / (x[1] / x[0]).log()
    assert float(-slope) == pytest.approx(found.law.alpha, rel=1e-5)
    (name,) = run.quantities("spectrum")
    (row,) = (r for r in found.results["summary"] if r["quantity"] == name)
    words = f"\\$mine  {ranged(row['mean'], row['low'], row['high'])}"
    assert axes.get_legend().get_texts()[0].get_text() == words


def test_curves_and_critical_sizes_are_drawn(found: ec.Probe, run: StudyRun) -> None:
    with style():
        panels = [axes for plot in robustness(View([run]), "digits/test") for axes in plot.panels]
    assert [axes.get_title() for axes in panels] == [
        f"{kind}, {name}" for kind in ("accuracy", "critical size") for name in ("FGSM", "noise")
    ]
    for axes, name in zip(panels, found.curves, strict=False):
        torch.testing.assert_close(torch.tensor(axes.lines[0].get_ydata()), found.curves[name].relative_accuracy)
    for axes, name in zip(panels[2:], found.critical, strict=True):
        medians = [line for line in axes.lines if line.get_color() == "black" and len(set(line.get_ydata())) == 1]
        assert float(found.critical[name].size.median()) > 0
        assert any(
            line.get_ydata()[0] == pytest.approx(float(found.critical[name].size.quantile(0.5))) for line in medians
        )


def test_new_folders_are_made(found: ec.Probe, tmp_path: Path, one_figure: None) -> None:
    page = found.save(tmp_path / "new" / "folder")
    assert page == tmp_path / "new" / "folder" / "report.html"
    assert page.is_file()


def test_eigencode_report_builds_it_anew(found: ec.Probe, run: StudyRun) -> None:
    before = (run.folder / "report.html").read_bytes()
    (run.folder / "report.html").unlink()
    done = inside("report", run.folder)
    assert done.exit_code == 0
    assert f" {measured(found.law.alpha)} " in done.stdout
    assert (run.folder / "report.html").read_bytes() == before


def test_no_fit_and_nothing_correct_can_be_drawn(tmp_path: Path, only_figure: Callable[..., None]) -> None:
    only_figure("spectra", "robustness")
    _, test = ec.load("digits")
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Linear(3, 11))
    nn.init.zeros_(net[2].weight)
    net[2].bias.data = 2 * torch.eye(11)[10]  # always the eleventh of ten classes
    with pytest.warns(ec.EigencodeWarning, match="11 outputs"):
        wrong = ec.probe(net, test, "1", images=5, attacks={"FGSM": ec.robustness.FGSM()}, points=3, trained=False)
    assert (wrong.law, wrong.critical["FGSM"].n_correct) == (None, 0)
    wrong.save(tmp_path)
    assert {"spectra.png", "robustness.png"} <= {p.name for p in (tmp_path / "figures").iterdir()}
