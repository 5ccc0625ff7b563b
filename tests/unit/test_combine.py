"""Models of a study measured again take the place of the old ones in its published results, and nothing else moves."""

import copy
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = json.loads((ROOT / "published" / "paper" / "published_cifar10" / "results.json").read_text("utf-8"))
QUANTITY, LARGE = "critical size, PGD", 9.0


@pytest.fixture
def combine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from eigencode.base.strict_json import dumps
    from tools.combine import combined

    return lambda whole, part: json.loads(dumps(combined(whole, part)))


@pytest.fixture
def part():
    """The same study, run for SpecReg alone."""
    found = copy.deepcopy(PUBLISHED)
    found["study"]["models"] = {"SpecReg": found["study"]["models"]["SpecReg"]}
    for name in ("rows", "cells"):
        found[name] = [e for e in found[name] if e["model"] in ("data", "SpecReg")]
    return found


def test_the_same_numbers_again_change_nothing(combine, part) -> None:
    made = combine(PUBLISHED, part)
    assert set(made.pop("parts")) >= {"SpecReg"}
    moments = {"epoch": None, "step": None}  # of finished networks, which older results do not say
    wanted = {k: v for k, v in PUBLISHED.items() if k != "parts"}
    wanted |= {name: [moments | e for e in PUBLISHED[name]] for name in ("rows", "summary")}
    assert made == wanted


def test_new_numbers_reach_summary_and_claims(combine, part) -> None:
    row = next(r for r in part["rows"] if (r["model"], r["quantity"]) == ("SpecReg", QUANTITY))
    row |= {"value": LARGE, "low": LARGE - 1, "high": LARGE + 1}
    part["provenance"] = {"commit": "later"}
    made = combine(PUBLISHED, part)
    of = {(s["model"], s["quantity"]): s["mean"] for s in made["summary"]}
    old = {(s["model"], s["quantity"]): s["mean"] for s in PUBLISHED["summary"]}
    assert {k for k in of if of[k] != old[k]} == {("SpecReg", QUANTITY)}
    assert of["SpecReg", QUANTITY] == LARGE
    verdict = {c["statement"]: c["verdict"] for c in made["claims"]}
    assert verdict["local learning withstands more PGD than SpecReg"] == "reversed"
    assert verdict["local learning withstands more PGD than BP"] == "reproduced"
    assert made["parts"]["SpecReg"]["provenance"] == {"commit": "later"}
    assert made["provenance"] == PUBLISHED["provenance"]


@pytest.mark.parametrize("what", ["seeds", "model", "data"])
def test_runs_that_do_not_belong_together_are_refused(combine, part, what: str) -> None:
    if what == "seeds":
        part["study"]["seeds"] = [5]
    elif what == "model":
        part["study"]["models"]["Other"] = part["study"]["models"]["SpecReg"]
    else:
        next(r for r in part["rows"] if r["model"] == "data")["value"] *= 1.01
    with pytest.raises(SystemExit, match={"seeds": "seeds", "model": "Other", "data": "same images"}[what]):
        combine(PUBLISHED, part)
