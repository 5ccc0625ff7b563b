"""`eigencode spectrum` as a neuroscientist uses it: planted exponents come back, and every wrong file is explained."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command import inside
from recorded import write_stringer
from scipy.io import savemat
from typer.testing import Result

from eigencode.data import PlantedCode
from eigencode.report._numbers import measured


def row(found: dict, what: str = "α") -> dict:
    (one,) = (r for r in found["rows"] if r["quantity"] == what)
    return one


def run(*words: str | Path) -> Result:
    return inside("spectrum", *words)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one.npy`: one repeat with α = 1; `two.mat`: two noisy repeats of a signal with α = 1, and spontaneous frames."""
    folder = tmp_path_factory.mktemp("recordings")
    np.save(folder / "one.npy", PlantedCode.of(100, 1.0, seed=1).sample(2000, seed=1).numpy())
    rng = torch.Generator().manual_seed(5)
    signal = PlantedCode.of(60, alpha=1.0, seed=3).sample(3000, seed=4)
    noise = 0.4 * torch.randn(2, 3000, 60, generator=rng, dtype=torch.float64)
    spont = torch.randn(400, 60, generator=rng, dtype=torch.float64)
    savemat(folder / "two.mat", {"responses": (signal + noise).numpy(), "spont": spont.numpy()})
    return folder


def test_a_planted_exponent_lies_in_its_interval(home: Path) -> None:
    result = run(home / "one.npy", "--window", "5:50", "--weights", "uniform", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    low, high = row(found)["low"], row(found)["high"]
    assert low < 1.0 < high
    assert high - low < 0.1
    (cell,) = found["cells"]
    made = found["recording"]
    assert (cell["record"]["kind"], made["stimuli"], made["units"]) == ("covariance", 2000, 100)
    assert cell["read"] == {"window": [5, 50], "weights": "uniform", "rounding": True}
    table = run(home / "one.npy", "--window", "5:50", "--weights", "uniform").stdout
    for word in (
        "one.npy: array",
        f" {measured(row(found, 'α, plain')['value'])} ",
        f"[{measured(low)}, {measured(high)}]",
        "participation ratio",
        "RankMe",
    ):
        assert word in table
    assert "! array: one repeat" in table


def test_cvpca_recovers_the_signal_that_the_covariance_hides(home: Path) -> None:
    result = run(home / "two.mat", "--window", "2:25", "--shuffled", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    made, error = found["recording"], row(found, "α, standard error")["value"]
    assert (found["cells"][0]["record"]["kind"], made["repeats"], made["array"]) == ("cvpca", 2, "responses")
    assert abs(row(found)["value"] - 1) < 2.5 * error
    assert error < 0.05
    assert abs(made["shuffled"]["total"]) < 0.05
    savemat(home / "first.mat", {"x": np.asarray(_repeats(home)[0])})
    hidden = json.loads(run(home / "first.mat", "--window", "2:25", "--json").stdout)
    assert row(hidden)["high"] < 0.8


def _repeats(home: Path) -> np.ndarray:
    from scipy.io import loadmat

    return np.asarray(loadmat(home / "two.mat")["responses"])


def test_preparation_is_done_and_told(home: Path) -> None:
    words = ["--window", "2:20", "--zscore", "--remove-spontaneous", "32"]
    table = run(home / "two.mat", *words).stdout
    assert "- z-scored by mean and sd of 400 frames of spontaneous activity\n" in table
    assert "- 32 leading components of spontaneous activity removed (400 frames)\n" in table
    found = json.loads(run(home / "two.mat", *words, "--json").stdout)
    values = found["cells"][0]["record"]["eigenvalues"]
    assert max(map(abs, values[28:])) < 1e-9 * values[0]
    assert min(values[:28]) > 1e-3 * values[0]


def test_the_layout_of_stringer_from_file_to_table(tmp_path: Path) -> None:
    """500 stimuli shown twice in random order, a blank, and a signal with α = 1 in seven units."""
    draw, signal = np.random.default_rng(0), PlantedCode.of(7, alpha=1.0, seed=1).sample(500, seed=2).numpy()
    istim = np.concatenate([draw.permutation(500), draw.permutation(500), np.full(9, 500)])
    resp = np.concatenate([signal, np.zeros((1, 7))])[istim] + 0.2 * draw.normal(size=(1009, 7))
    spont = draw.normal(size=(50, 7))
    path = tmp_path / "natimg2800_M0_2017-01-01.mat"
    write_stringer(path, redcell=[0, 1, 0, 0, 0, 0, 0], resp=resp, istim=istim[:, None] + 1.0, spont=spont)
    table = run(path, "--window", "1:4", "--zscore", "--remove-spontaneous", "2").stdout
    for word in (
        "stim.resp",
        "9 presentations of the blank (stimulus 501) left out",
        "red cells (stat.redcell) left out: 1",
        "cvPCA of 2 repeats",
    ):
        assert word in table
    write_stringer(path, resp=resp, istim=istim[:, None] + 1.0, spont=spont)
    found = json.loads(run(path, "--window", "1:7", "--json").stdout)
    assert [found["recording"][k] for k in ("stimuli", "units", "repeats")] == [500, 7, 2]
    assert abs(row(found)["value"] - 1) < 0.1


def test_five_repeats_in_a_file_give_the_planted_exponent_back(tmp_path: Path) -> None:
    """Noise of five times the variance of the signal: cvPCA of two and of five is too flat, the moments are not."""
    draw = np.random.default_rng(3)
    x = np.arange(1, 151) ** -0.5 * draw.normal(size=(400, 150)) + 0.4 * draw.normal(size=(5, 400, 150))
    np.save(tmp_path / "five.npy", x)
    np.save(tmp_path / "two.npy", x[:2])
    five, two = (
        json.loads(run(tmp_path / name, "--window", "11:75", "--json").stdout) for name in ("five.npy", "two.npy")
    )
    found = row(five, "signal α")
    assert found["low"] < 1 < found["high"] < found["low"] + 0.2
    error = row(two, "α, standard error")["value"]
    assert row(two)["value"] + 4 * error < 1
    assert row(two)["value"] < row(five)["value"] < found["value"]


@pytest.mark.usefixtures("one_figure")
def test_out_gets_record_and_figure_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [home / "two.mat", "--window", "2:25", "--out", tmp_path / "out"]
    assert run(*words).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["figures", "report.html", "results.json", "steps"]
    again = run(*words)
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    before = sorted(home.iterdir())
    run(home / "two.mat", "--window", "2:25")
    assert sorted(home.iterdir()) == before


def test_nan_and_constant_units(tmp_path: Path) -> None:
    x = PlantedCode.of(12, 1.0).sample(200).numpy()
    x[3, 2], x[:, 7] = np.nan, 1.0
    np.save(tmp_path / "a.npy", x)
    plain = ["--window", "1:8"]
    for words, says in (
        ([], "NaN or infinite values"),
        (["--nan", "drop-units"], "units that never change"),
        (["--nan", "drop"], "unknown policy for nan"),
        (["--nan", "drop-units", "--constant", "keep"], "unknown policy for constant"),
    ):
        result = run(tmp_path / "a.npy", *plain, *words)
        assert (result.exit_code, says in result.stderr, result.stdout) == (2, True, "")
    done = run(tmp_path / "a.npy", *plain, "--nan", "drop-units", "--constant", "drop-units", "--json")
    found = json.loads(done.stdout)
    assert (found["recording"]["units"], found["recording"]["stimuli"]) == (10, 200)
    assert found["notes"][1:] == ["1 of 12 units left out: constant", "1 of 11 units left out: NaN"]
    fewer = run(tmp_path / "a.npy", *plain, "--nan", "drop stimuli", "--constant", "drop units", "--json")
    made = json.loads(fewer.stdout)["recording"]
    assert (made["units"], made["stimuli"]) == (11, 199)


WRONG = [
    (["one.npy"], "the window of the fit does not fit the spectrum"),
    (["one.npy", "--window", "50"], "not a window of ranks"),
    (["one.npy", "--window", "5:50", "--weights", "n"], "unknown weights of the fit"),
    (["one.npy", "--window", "5:50", "--shuffled"], "one.npy: array: the shuffled control needs two repeats"),
    (
        ["one.npy", "--window", "5:50", "--remove-spontaneous", "32"],
        "one.npy: array: no spontaneous activity to remove",
    ),
    (["one.npy", "--window", "5:50", "--axes", "rsu"], "array has other axes"),
    (["one.npy", "--remove-spontaneous", "-1"], "--remove-spontaneous"),
    (["two.mat", "--key", "response"], "did you mean 'responses'"),
    (["two.mat", "--window", "2:25", "--remove-spontaneous", "60"], "not that many components"),
    (["gone.npy"], "gone.npy: no such file"),
    (["one.pkl"], "not a file of responses"),
    (["cut.mat"], "cut.mat: the file cannot be read"),
    (["several.npz"], "several arrays could be the responses"),
    (["text.npy"], "does not hold real numbers"),
]


@pytest.mark.parametrize(("words", "says"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_input_ends_with_2_and_says_what_is_wrong(
    home: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    (home / "cut.mat").write_bytes((home / "two.mat").read_bytes()[:100_000])
    np.savez(home / "several.npz", a=np.eye(3), b=np.eye(4))
    np.save(home / "text.npy", np.array([["a", "b"]]))
    result = run(home / words[0], *words[1:], "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_control_character_in_a_name_is_not_printed(tmp_path: Path) -> None:
    result = run(f"{tmp_path}/\x1b[2Jgone.npy")
    assert (result.exit_code, "\x1b" in result.stderr) == (2, False)
