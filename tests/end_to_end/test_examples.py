"""The examples run, small; those that a documentation page shows are run by that page."""

import json
import re
import runpy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import PAGES, ROOT, blocks

from eigencode.base.errors import EigencodeWarning

SMALL = {
    "concepts.py": ["--angles", "1100", "--out", "found"],
    "float32_floor.py": ["--units", "30", "--epochs", "2", "--data", "digits", "--out", "found.json"],
    "residual.py": [],
    "by_name.py": ["--images", "100"],
    "hf_images.py": ["--images", "200"],
    "own_network.py": ["--images", "6", "--epochs", "2", "--out", "found"],
}

OPTIONAL = ("by_name.py", "hf_images.py")
"""Examples with packages that are not dependencies; without them they say so."""


@pytest.fixture
def displays(monkeypatch: pytest.MonkeyPatch) -> Callable:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools.notebook import displays

    return displays


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
        try:
            runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        except SystemExit as ended:
            if not (name in OPTIONAL and str(ended).startswith("skipped: ")):
                raise
            pytest.skip(str(ended))
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
    elif name in ("residual.py", "by_name.py"):
        assert "layer3" in printed
    elif name == "hf_images.py":
        assert "hidden: alpha = " in printed
    else:
        assert "critical size, FGSM" in printed
        assert {"results.json", "report.html", "figures"} <= {p.name for p in (tmp_path / "found").iterdir()}


@pytest.mark.usefixtures("unchecked")
def test_a_notebook_runs_and_opens_on_tables(displays: Callable) -> None:
    """Its stored displays are those of this code: the same tables with the same rows."""
    notebooks = list((ROOT / "examples").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        notebook = json.loads(path.read_text("utf-8"))
        stored = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
        found = displays(notebook)
        assert [rows_of(cell) for cell in found] == [rows_of(cell) for cell in stored], f"run tools.notebook {path}"
        assert sum("text/html" in output.get("data", {}) for cell in stored for output in cell) >= 5


def rows_of(outputs: list[dict]) -> list[tuple[str, list[str]]]:
    """Kind and row headers of the displays of one cell."""
    html = ["".join(output.get("data", {}).get("text/html", [])) for output in outputs]
    return [(o["output_type"], re.findall(r"<th>(.*?)</th>", text)) for o, text in zip(outputs, html, strict=True)]


def test_a_display_is_that_of_the_last_line(displays: Callable) -> None:
    code = ["import torch\n", "print('said')\n", "torch.zeros(2)"]
    cells = [{"cell_type": "markdown", "source": ["text"]}, {"cell_type": "code", "source": code}]
    cells.append({"cell_type": "code", "source": ["x = 3"]})
    (said, shown), nothing = displays({"cells": cells})
    assert said["text"] == ["said\n"]
    assert shown["data"] == {"text/plain": ["tensor([0., 0.])"]}
    assert nothing == []
    with pytest.raises(ZeroDivisionError):
        displays({"cells": [{"cell_type": "code", "source": ["1 / 0"]}]})
