"""The examples run, small; those that a documentation page shows are run by that page."""

import json
import runpy
import sys
import warnings
from pathlib import Path

import pytest
from pages import PAGES, ROOT, blocks

from eigencode.base.errors import EigencodeWarning

SMALL = {
    "concepts.py": ["--angles", "1100", "--out", "found"],
    "float32_floor.py": ["--units", "30", "--epochs", "2", "--data", "digits", "--out", "found.json"],
    "residual.py": [],
    "own_network.py": ["--images", "6", "--epochs", "2", "--out", "found"],
}


def test_every_example_is_run() -> None:
    shown = {b.marks.get("file") for page in PAGES for b in blocks(page)}
    assert {p.name for p in (ROOT / "examples").glob("*.py")} <= set(SMALL) | shown


@pytest.mark.usefixtures("one_figure", "unchecked")
@pytest.mark.parametrize("name", SMALL)
def test_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *SMALL[name]])
    with warnings.catch_warnings():  # two epochs are too few, and the examples say so
        warnings.simplefilter("ignore", EigencodeWarning)
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    printed = capsys.readouterr().out
    if name == "float32_floor.py":
        assert json.loads((tmp_path / "found.json").read_text("utf-8"))["units"] == 30
        assert "negative eigenvalues" in printed
    elif name == "concepts.py":
        codes = json.loads((tmp_path / "found" / "smoothness.json").read_text("utf-8"))["codes"]
        for code in codes:
            assert code["alpha_measured"] == pytest.approx(code["alpha"], abs=0.05)
            expected = sum(k ** (2 - code["alpha"]) for k in range(1, 9)) ** 0.5  # 16 units: k = 1 .. 8
            assert code["jacobian_norm"][0] == pytest.approx(expected)
    elif name == "residual.py":
        assert "layer3" in printed
    else:
        assert "critical size, FGSM" in printed
        assert {"results.json", "report.html", "figures"} <= {p.name for p in (tmp_path / "found").iterdir()}
