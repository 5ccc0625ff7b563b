"""The spectrum of a recording: what is measured, what is said about it, and what is written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import NAMES

from eigencode.base.errors import EigencodeError, InputError
from eigencode.data import PlantedCode, Recording, prepared, read_recording
from eigencode.given import Given, recorded
from eigencode.given._files import new_folder, write
from eigencode.given._options import ranks
from eigencode.report import StudyRun
from eigencode.report._numbers import measured, ranged
from eigencode.report.figures.spectra import spectra
from eigencode.report.view import View
from eigencode.spectra import SignalSpectrum, Spectrum, cvpca, signal_spectrum, spectrum

WINDOW = (2, 10)


def noisy(repeats: int, sd: float = 0.3, n: int = 600, units: int = 30) -> Recording:
    rng = torch.Generator().manual_seed(1)
    signal = PlantedCode.of(units, alpha=1.0, seed=2).sample(n, seed=3)
    noise = torch.randn(repeats, n, units, generator=rng, dtype=torch.float64)
    return Recording(signal + sd * noise, name="a.npz", sha256="ab", notes=("first this", "then that"))


def row(found: Given, what: str = "") -> dict:
    (one,) = (r for r in found.results["rows"] if r["quantity"] == ("α" if not what else f"α, {what}"))
    return one


def test_one_repeat_is_a_covariance_and_more_are_cvpca_of_all() -> None:
    given = noisy(3)
    one = recorded(replace(given, responses=given.responses[:1]), WINDOW)
    torch.testing.assert_close(one.spectrum.eigenvalues, spectrum(given.responses[0]).eigenvalues)
    assert any(said.startswith("one repeat: this spectrum includes trial-to-trial noise") for said in one.warnings)
    three = recorded(given, WINDOW)
    torch.testing.assert_close(three.spectrum.eigenvalues, cvpca(given.responses).eigenvalues)
    assert three.notes[0].startswith("cvPCA of 3 repeats")
    two = recorded(replace(given, responses=given.responses[:2]), WINDOW)
    torch.testing.assert_close(two.spectrum.eigenvalues, cvpca(*given.responses[:2]).eigenvalues, rtol=0, atol=0)
    assert not any("repeats" in said for said in (*two.warnings, *three.warnings))
    assert two.law.alpha == two.spectrum.power_law(WINDOW, "1/n").alpha


def test_laws_of_the_signal_stand_beside_it() -> None:
    given = noisy(3)
    found, expected = recorded(given, WINDOW), signal_spectrum(given.responses)
    values = {r["quantity"]: r for r in found.results["rows"] if r["quantity"].startswith("signal α")}
    one = values["signal α"]
    assert (one["value"], one["low"], one["high"]) == (
        *(expected.alpha.value, expected.alpha.low, expected.alpha.high),
    )
    assert values["signal α, identified rank"]["value"] == expected.identified_rank
    for what, want in (("α₁", expected.alpha_1), ("break", expected.break_rank), ("α₂", expected.alpha_2)):
        row = values[f"signal α, {what}"]
        assert (row["value"], row["low"], row["high"]) == (want.value, want.low, want.high)
    for word in ("signal α, α₁", "signal α, break", "signal α, identified rank", "600 stimuli x 30 units, 3 repeats"):
        assert word in str(found)


def test_a_rejected_straight_law_is_marked_in_the_table() -> None:
    code = PlantedCode.of(100, (0.5, 15.0, 1.5), seed=None)
    found = recorded(Recording(code.repeats(600, 2, 2.0, 0)), (11, 30))
    (one,) = [r for r in found.results["rows"] if r["quantity"] == "signal α"]
    assert any(note.startswith("s: α of all ranks is a mean slope") for note in one["notes"])
    assert "signal α, participation ratio" in found.results["headline"]


def test_an_error_of_the_window_keeps_what_was_said_before() -> None:
    given = noisy(3)
    moved = replace(
        given, responses=given.responses + torch.tensor([0.0, 9.0, -9.0])[:, None, None], notes=("left out",)
    )
    with pytest.raises(InputError) as error:
        recorded(moved, (2, 300))
    assert "the mean response changes from repeat to repeat" in str(error.value)
    assert "left out" in str(error.value)


def test_one_repeat_has_laws_of_the_signal_only_with_fewer_stimuli_than_units() -> None:
    def rows(found: Given) -> list[str]:
        return [r["quantity"] for r in found.results["rows"] if r["quantity"].startswith("signal")]

    assert rows(recorded(noisy(1), WINDOW)) == []
    wide = recorded(noisy(1, sd=0.0, n=60, units=300), WINDOW)
    assert "signal α" in rows(wide)
    (one,) = (r for r in wide.results["rows"] if r["quantity"] == "signal α")
    assert abs(one["value"] - 1) < one["high"] - one["low"] < 0.4
    few = noisy(2, sd=0.0)
    assert rows(recorded(replace(few, responses=few.responses[:, :7], stimuli=few.stimuli[:7]), (1, 4))) == []


def test_five_repeats_find_the_exponent_that_two_miss(tmp_path: Path) -> None:
    """From a file of single presentations, shown unequally often, with noise of five times the variance."""
    rng = np.random.default_rng(5)
    signal = np.arange(1, 151) ** -0.5 * rng.normal(size=(400, 150))
    labels = rng.permutation(np.repeat(np.arange(400), rng.integers(4, 7, 400)))
    np.savez(tmp_path / "a.npz", responses=signal[labels] + 0.4 * rng.normal(size=(len(labels), 150)), stimuli=labels)
    ready = prepared(read_recording(tmp_path / "a.npz"))
    assert ready.responses.shape == (6, 400, 150)
    found = recorded(ready, (11, 75))
    of_two = recorded(replace(ready, responses=ready.responses[:2]), (11, 75))
    (one,) = (r for r in found.results["rows"] if r["quantity"] == "signal α")
    assert one["low"] < 1 < one["high"]
    assert one["high"] - one["low"] < 0.3
    assert of_two.law.alpha < found.law.alpha
    assert of_two.law.alpha + 4 * of_two.law.standard_error < 1
    assert "stimuli shown 4 to 6 times: every presentation is used" in found.notes


def test_more_repeats_than_stimuli_are_averaged() -> None:
    given = noisy(40, n=10)
    found = recorded(given, (1, 5))
    assert found.results["recording"]["repeats"] == 10
    runs = torch.stack([run.mean(0) for run in given.responses.chunk(10)])
    torch.testing.assert_close(found.spectrum.eigenvalues, cvpca(runs).eigenvalues)
    assert any("averaged into 10 repeats" in note for note in found.notes)


def test_noise_moves_the_covariance_and_not_cvpca() -> None:
    given = noisy(2, sd=0.5, n=3000)
    one = recorded(replace(given, responses=given.responses[:1]), WINDOW)
    two = recorded(given, WINDOW)
    assert one.law.alpha < 0.7
    assert abs(two.law.alpha - 1) < 3 * two.law.standard_error + 0.02


def test_the_shuffled_control_is_chance() -> None:
    found = recorded(noisy(2, n=2000), WINDOW, shuffled=True)
    share = found.results["recording"]["shuffled"]
    assert abs(share["total"]) < 0.1
    assert 0 < share["largest"] < 0.2
    assert "stimuli shuffled" in str(found)
    assert "shuffled" not in str(recorded(noisy(2), WINDOW))
    with pytest.raises(InputError, match=r"a\.npz: responses: the shuffled control needs two repeats"):
        recorded(noisy(1), WINDOW, shuffled=True)


def test_an_interval_stands_beside_the_exponent_it_belongs_to() -> None:
    found = recorded(noisy(1, sd=0.01, n=80), (2, 28))
    low, high = found.law.interval
    assert low < found.law.alpha < high < found.law.plain
    lines = [line for line in str(found).splitlines() if f"[{measured(low)}, {measured(high)}]" in line]
    assert [line.split("│")[1].strip() for line in lines] == ["α"]


def test_everything_is_in_the_table_and_in_the_json() -> None:
    found = recorded(noisy(2), WINDOW, "uniform", shuffled=True)
    text, content = str(found), json.loads(found.json(), parse_constant=pytest.fail)
    assert content["notes"][0].startswith("cvPCA of 2 repeats, 600 stimuli x 30 units; ")
    for word in ("a.npz: responses", "cvPCA of 2 repeats", "600", "ranks 2..10, weights uniform", "r²", "RankMe"):
        assert word in text
    for word in (
        "participation ratio",
        f" {measured(found.law.alpha)} ",
        "- first this\n",
        "- then that\n",
        "no interval",
    ):
        assert word in text
    law, spec = found.law, found.spectrum
    expected = {"": law.alpha, "r²": law.r2, "standard error": law.standard_error, "RankMe": spec.rankme}
    assert {what: row(found, what)["value"] for what in expected} == expected
    made = content["recording"]
    assert [made[k] for k in ("file", "array", "sha256", "repeats", "stimuli", "units")] == [
        *("a.npz", "responses", "ab", 2, 600, 30)
    ]
    assert made["not_positive"] == int((spec.eigenvalues <= 0).sum())
    assert content["cells"][0]["record"]["eigenvalues"] == spec.eigenvalues.tolist()
    assert content["cells"][0]["read"]["weights"] == "uniform"
    assert content["rows"][0]["low"] is None
    one = recorded(noisy(1), WINDOW)
    assert (row(one)["low"], row(one)["high"]) == one.law.interval
    assert f"[{measured(one.law.interval[0])}, {measured(one.law.interval[1])}]" in str(one)


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_a_name_is_only_a_name(name: str, tmp_path: Path) -> None:
    found = recorded(replace(noisy(2), name=name, array=name), WINDOW)
    text = str(found)
    assert not {"\x1b", "\x07", "\x00", "\r", "\x9b", "\u202e", "\u2066", "\u2028"} & set(text)
    assert len(text.splitlines()) == len(str(recorded(noisy(2), WINDOW)).splitlines())
    if name in (NAMES["formula"], NAMES["path"], NAMES["null"]):  # the page and its figures have tests of their own
        write(found, tmp_path / "out")
        assert (tmp_path / "out" / "figures" / "spectra.png").is_file()


@pytest.mark.usefixtures("one_figure")
def test_what_is_written_can_be_read_and_is_never_overwritten(tmp_path: Path) -> None:
    found, folder = recorded(noisy(2), WINDOW, shuffled=True), tmp_path / "deep" / "out"
    write(found, folder)
    back = Given.found(folder)
    assert back.json() == found.json()
    for key, record in found.records.items():
        torch.testing.assert_close(back.records[key].tensors(), record.tensors(), equal_nan=True)
    assert [type(r) for r in back.records.values()] == [Spectrum, SignalSpectrum, Spectrum]
    assert {p.name for p in folder.iterdir()} == {"results.json", "steps", "figures", "report.html"}
    read = json.loads((folder / "results.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert read["notes"][1:3] == ["first this", "then that"]
    assert read["provenance"]["versions"]["torch"]
    assert [p.name for p in folder.parent.iterdir()] == ["out"]
    with pytest.raises(InputError, match="exists already"):
        write(found, folder)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="exists already"):
        new_folder(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    write(found, tmp_path / "empty")
    assert (tmp_path / "empty" / "results.json").is_file()


@pytest.mark.usefixtures("one_figure")
def test_a_place_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EigencodeError, match="cannot create the folder for the results"):
        write(recorded(noisy(2), WINDOW), tmp_path / "file" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("one_figure")
def test_the_figure_shows_spectrum_fit_and_control(tmp_path: Path) -> None:
    found = recorded(replace(noisy(2, sd=2.0, n=200), array="a $name"), (1, 4), shuffled=True)
    write(found, tmp_path / "out")
    (axes,) = next(iter(spectra(View([StudyRun.found(tmp_path / "out")]), "a.npz"))).panels
    values, fit, control = axes.lines
    first = found.spectrum.eigenvalues[0]
    (kept,) = (r for key, r in found.records.items() if key.startswith("shuffled"))
    for line, record in ((values, found.spectrum), (control, kept)):
        expected = record.eigenvalues[record.eigenvalues > 0] / first
        torch.testing.assert_close(torch.as_tensor(line.get_ydata()), expected)
    left, right = (float(v) for v in fit.get_ydata())
    assert list(fit.get_xdata()) == [1.0, 4.0]
    assert right / left == pytest.approx(4**-found.law.alpha, rel=1e-5)
    assert left == pytest.approx(2.718281828**found.law.intercept, rel=1e-5)
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    (row,) = (r for r in found.results["summary"] if r["quantity"] == "α")
    assert said == [rf"a \$name  {ranged(row['mean'], row['low'], row['high'])}"]
    assert [note.get_text() for note in axes.texts] == ["dots: stimuli shuffled"]
    assert found.results["recording"]["not_positive"] > 0


@pytest.mark.parametrize("text", ["11:500", "(11, 500)", " 11 , 500 "])
def test_windows(text: str) -> None:
    assert ranks(text) == (11, 500)


@pytest.mark.parametrize("text", ["", "11", "11:", "11-500", "1:2:3", "a:b", "-1:5", "1.5:3"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(InputError, match="not a window of ranks"):
        ranks(text)


def test_repeats_that_are_no_repeats_are_told_in_the_table() -> None:
    given = noisy(1)
    found = recorded(replace(given, responses=given.responses.expand(2, -1, -1).clone()), WINDOW)
    assert any("the two repeats are identical" in said for said in found.warnings)
    assert not any("identical" in said for said in recorded(noisy(2), WINDOW).warnings)


@pytest.mark.parametrize("layout", ["presentations", "repeats"])
def test_groups_of_stimuli_widen_the_intervals(tmp_path: Path, layout: str) -> None:
    """Twenty films of ten frames that are nearly alike: as many independent stimuli as films."""
    draw = np.random.default_rng(3)
    law = np.arange(1, 31) ** -0.5
    frames = np.repeat(draw.normal(size=(20, 30)), 10, 0) * law + 0.05 * draw.normal(size=(200, 30)) * law
    x = frames + 0.1 * draw.normal(size=(2, 200, 30))
    stimuli, films = np.arange(200), np.repeat([f"film {i}" for i in range(20)], 10)
    if layout == "presentations":
        order = draw.permutation(400)
        rows = {
            "resp": x.reshape(400, 30)[order],
            "stim": np.tile(stimuli, 2)[order],
            "movie": np.tile(films, 2)[order],
        }
    else:
        rows = {"responses": x, "movie": films}
    np.savez(tmp_path / "a.npz", **rows)
    labels = "stim" if layout == "presentations" else None
    read = read_recording(tmp_path / "a.npz", labels=labels, groups="movie")
    assert (read.responses.shape, len(set(read.groups))) == ((2, 200, 30), 20)
    assert dict(zip(read.stimuli, read.groups, strict=True))[37] == "film 3"
    found = recorded(prepared(read), (2, 15))
    spectra, signal = found.records.values()
    assert signal.scalars() == signal_spectrum(read.responses, groups=list(read.groups)).scalars()
    assert signal.n_groups == spectra.n_groups == 20
    assert any("20 groups, over which" in note for note in found.results["notes"])
    alone = recorded(replace(prepared(read), groups=()), (2, 15))
    assert found.law.standard_error > 1.5 * alone.law.standard_error
    kept = read.keep(stimuli=torch.arange(200) < 100)
    assert len(kept.groups) == 100


def test_groups_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    x, labels = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 20
    for groups, says in (
        (np.arange(40), "not in one group"),
        (labels[:9], "does not number"),
        (labels[:20], "does not"),
    ):
        with pytest.raises(InputError, match=says):
            Recording.of(x, labels, groups=groups)
    missing = [None if one == 7 else "a" for one in labels]
    with pytest.raises(InputError, match="0 groups of stimulus 7"):
        Recording.of(x, labels, groups=missing)
    assert set(Recording.of(x, labels, blank=7, groups=missing).groups) == {"a"}
    with pytest.raises(InputError, match="the groups do not fit"):
        Recording(torch.rand(2, 9, 3), groups=("a", "b"))
    np.savez(tmp_path / "a.npz", responses=x, film=labels)
    with pytest.raises(InputError, match="no array 'movie'"):
        read_recording(tmp_path / "a.npz", groups="movie")
