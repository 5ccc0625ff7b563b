"""Numbers quoted in README and docs are those of the files a command wrote."""

import json
import re
import sys
from pathlib import Path

import pytest

from eigencode.base.strict_json import number
from eigencode.study import plan, read_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools import publish

    return publish


def test_quoted_tables_are_the_published_results(publish) -> None:
    for path in publish.quoting_files():
        text = path.read_text("utf-8")
        assert publish.refreshed(text) == text, f"{path.name} quotes other numbers than published/: run tools.publish"


@pytest.mark.parametrize("path", sorted((ROOT / "published").rglob("results.json")), ids=lambda p: p.parent.name)
def test_no_published_number_lies_outside_its_own_interval(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    for entry in (*found["rows"], *found["summary"], *found["claims"]):
        low, value, high = (number(entry[k]) for k in ("low", "mean" if "mean" in entry else "value", "high"))
        assert not value < low - 1e-12, entry
        assert not value > high + 1e-12, entry


def test_the_demo_of_readme_is_of_this_code() -> None:
    """A change of a step's code makes its published numbers old: `make demo`, then `python -m tools.publish demo`."""
    found = json.loads((ROOT / "published/demo/results.json").read_text("utf-8"))
    place = ("data", "model", "seed", "quantity")
    published = {tuple(cell[k] for k in place): cell["key"] for cell in found["cells"]}
    now = {
        tuple(getattr(cell, k) for k in place): cell.step.key for cell in plan(read_study(ROOT / "studies/demo.toml"))
    }
    assert published == now


def test_every_picture_and_file_that_is_linked_exists(publish) -> None:
    for path in publish.quoting_files():
        for target in re.findall(r"\]\(((?!https?:|#)[^)]+)\)", path.read_text("utf-8")):
            assert (path.parent / target.split("#")[0]).exists(), f"{path.name} links to {target}"


def test_a_wrong_number_would_be_noticed(publish) -> None:
    for kind in ("table: published/demo/results.json", "claims: published/demo/results.json"):
        text = f"<!-- {kind} -->\n| 0.123 |\n<!-- end of table -->"
        made = publish.refreshed(text)
        assert made != text
        assert publish.refreshed(made) == made


def test_a_table_of_some_quantities(publish) -> None:
    found = publish.refreshed("<!-- table: published/demo/results.json; α noise -->\n<!-- end of table -->")
    assert found.splitlines()[1] == "| mnist5k | α noise |"


def test_deviations_as_a_table(publish) -> None:
    entry = {"id": "D7", "model": "KH", "quantity": "noise", "published": 1.0, "corrected": 2.0, "difference": None}
    entry |= dict.fromkeys(("published_low", "corrected_low", "low"), -1.5)
    entry |= {"published_high": "Infinity", "corrected_high": 2.5, "high": None}
    assert publish.deviations({"deviations": [entry]}).splitlines()[2] == (
        "| D7 | KH | noise | 1 | 2 [-1.5, 2.5] | – |"
    )
