"""The spectrum of a recording: what is measured, what is said about it, and what is written."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from eigencode.report.figures.recording import recorded
from eigencode.report.recording import RecordedSpectrum, free, measure, show, window, write
from hostile import NAMES
from rich.console import Console

from eigencode.base.errors import EigencodeError, InputError
from eigencode.data import PlantedCode, Recording
from eigencode.spectra import Spectrum, cvpca, spectrum

WINDOW = (2, 10)


def noisy(repeats: int, sd: float = 0.3, n: int = 600, units: int = 30) -> Recording:
    rng = torch.Generator().manual_seed(1)
    signal = PlantedCode.of(units, alpha=1.0, seed=2).sample(n, seed=3)
    noise = torch.randn(repeats, n, units, generator=rng, dtype=torch.float64)
    return Recording(signal + sd * noise, name="a.npz", sha256="ab", notes=("first this", "then that"))


def shown(found: RecordedSpectrum) -> str:
    out = io.StringIO()
    show(found, Console(file=out, width=10_000))
    return out.getvalue()


def test_one_repeat_is_a_covariance_and_more_are_cvpca() -> None:
    given = noisy(3)
    one = measure(replace(given, responses=given.responses[:1]), WINDOW)
    torch.testing.assert_close(one.spectrum.eigenvalues, spectrum(given.responses[0]).eigenvalues)
    assert one.warnings[0].startswith("one repeat: the noise of single trials")
    three = measure(given, WINDOW)
    torch.testing.assert_close(three.spectrum.eigenvalues, cvpca(given.responses[0], given.responses[1]).eigenvalues)
    assert "3 repeats: cvPCA of the first two" in three.warnings
    two = measure(replace(given, responses=given.responses[:2]), WINDOW)
    torch.testing.assert_close(two.spectrum.eigenvalues, three.spectrum.eigenvalues, rtol=0, atol=0)
    assert not any("repeats" in said for said in two.warnings)
    assert two.law.alpha == two.spectrum.power_law(WINDOW, "1/n").alpha


def test_noise_moves_the_covariance_and_not_cvpca() -> None:
    given = noisy(2, sd=0.5, n=3000)
    one = measure(replace(given, responses=given.responses[:1]), WINDOW)
    two = measure(given, WINDOW)
    assert one.law.alpha < 0.7
    assert abs(two.law.alpha - 1) < 3 * two.law.standard_error + 0.02


def test_the_shuffled_control_is_chance() -> None:
    found = measure(noisy(2, n=2000), WINDOW, shuffled=True)
    share = found.summary()["shuffled"]
    assert abs(share["total"]) < 0.1
    assert 0 < share["largest"] < 0.2
    assert "stimuli shuffled" in shown(found)
    assert "stimuli shuffled" not in shown(measure(noisy(2), WINDOW))
    with pytest.raises(InputError, match=r"a\.npz: responses: the shuffled control needs two repeats"):
        measure(noisy(1), WINDOW, shuffled=True)


def test_a_window_in_the_rounding_is_warned_of() -> None:
    given = noisy(1)
    found = measure(given, (2, 20))
    assert not any("rounding" in said for said in found.warnings)
    loose = replace(found, spectrum=replace(found.spectrum, floor=float(found.spectrum.eigenvalues[9])))
    low = replace(loose, law=loose.spectrum.power_law((2, 20)))
    assert any("the eigenvalues beyond rank 9 are rounding" in said for said in low.warnings)


def test_an_interval_stands_beside_the_exponent_it_belongs_to() -> None:
    found = measure(noisy(1, sd=0.01, n=80), (2, 28))
    low, high = found.law.interval
    assert low < found.law.alpha_corrected < high < found.law.alpha
    assert f"{found.law.alpha:.4g}, corrected {found.law.alpha_corrected:.4g} [{low:.4g}" in shown(found)


def test_everything_is_in_the_table_and_in_the_summary() -> None:
    found = measure(noisy(2), WINDOW, "uniform", shuffled=True)
    text, summary = shown(found), found.summary()
    for word in ("a.npz: responses", "cvPCA of two repeats", "600", "ranks 2..10, weights uniform", "r²", "RankMe"):
        assert word in text
    for word in ("participation ratio", f"{found.law.alpha:.4g}", "- first this\n", "- then that\n", "no interval"):
        assert word in text
    for key in ("alpha", "r2", "weights", "standard_error"):
        assert summary[key] == getattr(found.law, key)
    assert (summary["file"], summary["sha256"], summary["stimuli"], summary["units"]) == ("a.npz", "ab", 600, 30)
    assert summary["eigenvalues"] == found.spectrum.eigenvalues.tolist()
    assert summary["not_positive"] == int((found.spectrum.eigenvalues <= 0).sum())
    assert (summary["interval_method"], found.has_interval) == ("none", False)
    interval = measure(noisy(1), WINDOW)
    low, high = interval.law.interval
    assert interval.summary()["interval_method"].startswith("95 %")
    assert f"[{low:.4g}, {high:.4g}]" in shown(interval)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_name_is_only_a_name(name: str, tmp_path: Path) -> None:
    found = replace(measure(noisy(2), WINDOW), name=name, array=name)
    text = shown(found)
    assert not {"\x1b", "\x07", "\x00", "\r", "\x9b", "\u202e", "\u2066", "\u2028"} & set(text)
    assert len(text.splitlines()) == len(shown(measure(noisy(2), WINDOW)).splitlines())
    write(found, tmp_path / "out")
    assert (tmp_path / "out" / "spectrum.png").is_file()


@pytest.mark.usefixtures("coarse")
def test_what_is_written_can_be_read_and_is_never_overwritten(tmp_path: Path) -> None:
    found, folder = measure(noisy(2), WINDOW, shuffled=True), tmp_path / "deep" / "out"
    write(found, folder)
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    records = {f"{k}/{f}" for k in ("spectrum", "shuffled") for f in ("record.json", "arrays.safetensors")}
    assert names == {"result.json", "spectrum.pdf", "spectrum.png", "spectrum.svg", *records}
    torch.testing.assert_close(Spectrum.load(folder / "spectrum").eigenvalues, found.spectrum.eigenvalues)
    assert found.control is not None
    torch.testing.assert_close(Spectrum.load(folder / "shuffled").eigenvalues, found.control.eigenvalues)
    read = json.loads((folder / "result.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert (read["alpha"], read["interval"], read["steps"]) == (
        found.law.alpha,
        [None, None],
        ["first this", "then that"],
    )
    assert read["provenance"]["versions"]["torch"]
    assert [p.name for p in folder.parent.iterdir()] == ["out"]
    with pytest.raises(InputError, match="there is something already"):
        write(found, folder)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="there is something already"):
        free(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    write(found, tmp_path / "empty")
    assert (tmp_path / "empty" / "result.json").is_file()


@pytest.mark.usefixtures("coarse")
def test_a_place_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EigencodeError, match="cannot write the result"):
        write(measure(noisy(2), WINDOW), tmp_path / "file" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_figure_shows_spectrum_fit_and_control() -> None:
    found = measure(noisy(2, sd=2.0, n=200), (1, 4), shuffled=True)
    (axes,) = recorded(found.spectrum, found.law, found.control, "a $name").axes
    control, values, fit = axes.lines
    first = float(found.spectrum.eigenvalues[0])
    expected = (found.spectrum.eigenvalues / first).where(found.spectrum.eigenvalues > 0, torch.nan)
    torch.testing.assert_close(torch.as_tensor(values.get_ydata()), expected, equal_nan=True)
    assert found.control is not None
    expected = (found.control.eigenvalues / first).where(found.control.eigenvalues > 0, torch.nan)
    torch.testing.assert_close(torch.as_tensor(control.get_ydata()), expected, equal_nan=True)
    left, right = (float(v) for v in fit.get_ydata())
    assert list(fit.get_xdata()) == [1.0, 4.0]
    assert right / left == pytest.approx(4**-found.law.alpha, rel=1e-5)
    assert left == pytest.approx(2.718281828**found.law.intercept, rel=1e-5)
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said[1] == f"cvPCA ({found.not_positive} not positive)"
    assert found.not_positive > 0
    assert axes.get_title() == r"a \$name"


@pytest.mark.parametrize("text", ["11:500", "(11, 500)", " 11 , 500 "])
def test_windows(text: str) -> None:
    assert window(text) == (11, 500)


@pytest.mark.parametrize("text", ["", "11", "11:", "11-500", "1:2:3", "a:b", "-1:5", "1.5:3"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(InputError, match="not a window of ranks"):
        window(text)
