"""The tool for the recordings of Stringer et al. on synthetic files of their layout, with planted spectra."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from recorded import write_stringer

ROOT = Path(__file__).resolve().parents[2]


def planted(path: Path, law: np.ndarray, seed: int, stimuli: int = 300) -> None:
    """Two presentations of each stimulus in random order and a blank, in the units of the spontaneous activity."""
    draw = np.random.default_rng(seed)
    rotation = np.linalg.qr(draw.normal(size=(len(law), len(law))))[0]
    signal = np.sqrt(law) * draw.normal(size=(stimuli, len(law))) @ rotation
    shown = np.concatenate([draw.permutation(stimuli), draw.permutation(stimuli)])
    resp = np.r_[signal[shown] + 0.15 * draw.normal(size=(2 * stimuli, len(law))), np.zeros((4, len(law)))]
    istim = np.r_[shown + 1.0, np.full(4, stimuli + 1.0)]
    spont = draw.normal(size=(400, len(law)))
    spont = (spont - spont.mean(0)) / spont.std(0)  # the z-scores change nothing
    content = {"resp": resp.astype(np.float32), "istim": istim[:, None], "spont": spont}
    write_stringer(path, **content)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools.stringer import main

    def run(*words: str):
        monkeypatch.setattr(sys, "argv", ["stringer", str(tmp_path), "--out", str(tmp_path / "out"), *words])
        main()
        return json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))

    return run


@pytest.mark.usefixtures("one_figure")
def test_planted_recordings_are_judged_by_the_published_numbers(run, tmp_path: Path) -> None:
    n = np.arange(1, 101.0)
    for seed in range(3):
        planted(tmp_path / f"natimg2800_M{seed}_MP_2017-01-01.mat", n**-0.95, seed)
    found = run("--window", "2:50", "--remove-spontaneous", "1")
    said = {c["quantity"]: c for c in found["claims"]}
    one = said["signal α"]
    assert one["seeds"] == 3
    assert one["low"] < 0.95 < one["high"]
    assert one["verdict"] in ("reproduced", "undecided, inside")
    assert said["signal α, α₂"]["published"] == "1.204 (1.119 to 1.282)"
    rows = [r for r in found["rows"] if r["quantity"] == "signal α"]
    assert one["value"] == pytest.approx(np.mean([r["value"] for r in rows]))
    assert [c["recording"] for c in found["cells"]] == [f"natimg2800_M{i}_MP_2017-01-01.mat" for i in range(3)]
    pages = sorted(p.parent.name for p in (tmp_path / "out").glob("*/report.html"))
    assert pages == [f"natimg2800_M{i}_MP_2017-01-01" for i in range(3)]


@pytest.mark.usefixtures("one_figure")
def test_another_spectrum_is_outside(run, tmp_path: Path) -> None:
    for seed in range(2):
        planted(tmp_path / f"natimg2800_M{seed}.mat", np.arange(1, 101.0) ** -1.5, seed)
    said = {c["quantity"]: c["verdict"] for c in run("--window", "2:20", "--remove-spontaneous", "1")["claims"]}
    assert said["signal α"] in ("outside", "undecided, outside")


def test_a_folder_without_recordings_is_named(run) -> None:
    with pytest.raises(SystemExit, match=r"no recordings[\s\S]*natimg2800_M"):
        run()
