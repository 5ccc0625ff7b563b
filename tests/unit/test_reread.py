"""Published results in the layout of before are read as the present code would write them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from eigencode.base.strict_json import number

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reread(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools.reread import reread

    return reread


def before(results: dict[str, Any]) -> dict[str, Any]:
    """The file as it was when α was the plain fit beside the interval of the corrected α, with warnings for notes."""
    plain = {(r["model"], r["seed"], r["quantity"]): r["value"] for r in results["rows"]}
    rows = []
    for row in results["rows"]:
        old = {k: v for k, v in row.items() if k != "notes"}
        value = plain.get((row["model"], row["seed"], f"{row['quantity']}, plain"))
        for note in row["notes"]:
            sign, _, said = note.partition(": ")
            if sign == "n":
                old["warnings"] = [*old["warnings"], said]
            if sign == "s":
                shape = said.partition("no power law, ")[2]
                old["warnings"] = [*old["warnings"], f"{said.partition(' is a mean')[0]}: not a power law, {shape}"]
        if value is not None:
            rows += [{**old, "value": value}, {**old, "quantity": f"{row['quantity']}, corrected"}]
        elif not row["quantity"].endswith(", plain"):
            rows.append(old)
    return results | {"rows": rows, "summary": [], "claims": [], "deviations": []}


def test_the_corrected_exponent_its_marks_and_the_verdicts_come_back(reread) -> None:
    now = json.loads((ROOT / "published/demo/results.json").read_text("utf-8"))
    old = before(now)
    moved = [r for r in old["rows"] if isinstance(r["low"], float) and not r["low"] <= number(r["value"]) <= r["high"]]
    assert len(moved) > 5, "plain fits lie outside the interval of the corrected one"
    found = reread(old)
    wanted = {(r["model"], r["seed"], r["quantity"]): r for r in now["rows"]}
    made = {(r["model"], r["seed"], r["quantity"]): r for r in found["rows"]}
    assert made.keys() == wanted.keys()
    for place, row in made.items():
        assert row["value"] == pytest.approx(number(wanted[place]["value"]), rel=1e-12, nan_ok=True), place
        assert sorted(row["notes"]) == sorted(wanted[place]["notes"]), place
    assert [c["verdict"] for c in found["claims"]] == [c["verdict"] for c in now["claims"]]
    assert repr(reread(found)["rows"]) == repr(found["rows"]), "a second time changes nothing"
