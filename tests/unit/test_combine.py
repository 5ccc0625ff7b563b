"""A study measured in parts: models and seeds join its published results or replace old ones; nothing else moves."""

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


@pytest.mark.parametrize("what", ["spectra", "data"])
def test_runs_that_do_not_belong_together_are_refused(combine, part, what: str) -> None:
    if what == "spectra":
        part["study"]["spectra"][0]["window"] = [1, 2]
    else:
        next(r for r in part["rows"] if r["model"] == "data")["value"] *= 1.01
    with pytest.raises(SystemExit, match={"spectra": "spectra differ", "data": "same images"}[what]):
        combine(PUBLISHED, part)


def of_seed(part: dict, seed: int, by: float) -> dict:
    """The part with another seed, all its values multiplied."""
    part["study"]["seeds"] = [seed]
    part["study"]["models"]["SpecReg"]["ridge"] = None  # defaults that older results do not have
    for claim in part["study"]["claims"]:
        claim["share"] = None
    for e in (*part["rows"], *part["cells"]):
        e["seed"] = seed
    for r in (r for r in part["rows"] if r["model"] != "data" and r["quantity"] == QUANTITY):
        r |= {k: r[k] * by for k in ("value", "low", "high")}
    return part


def test_another_seed_joins(combine, part) -> None:
    old = next(s for s in PUBLISHED["summary"] if (s["model"], s["quantity"]) == ("SpecReg", QUANTITY))
    made = combine(PUBLISHED, of_seed(part, 7, 3.0))
    new = next(s for s in made["summary"] if (s["model"], s["quantity"]) == ("SpecReg", QUANTITY))
    assert made["study"]["seeds"] == [*PUBLISHED["study"]["seeds"], 7]
    assert len(made["claims"]) == len(PUBLISHED["claims"])
    assert (old["seeds"], new["seeds"]) == (1, 2)
    assert new["mean"] == pytest.approx(2 * old["mean"])
    assert "SpecReg, seed 7" in made["parts"]
    assert len(made["rows"]) == len(PUBLISHED["rows"]) + len(part["rows"])
    of = {s["model"]: s for s in made["summary"] if s["quantity"] == QUANTITY}
    assert of["BP"] == {"epoch": None, "step": None} | next(
        s for s in PUBLISHED["summary"] if (s["model"], s["quantity"]) == ("BP", QUANTITY)
    )


def test_another_model_joins_with_its_claims(combine, part) -> None:
    whole, specreg = copy.deepcopy(PUBLISHED), lambda claim: "SpecReg" in (claim["model"], claim["other"])
    del whole["study"]["models"]["SpecReg"]
    part["study"]["claims"] = [c for c in PUBLISHED["study"]["claims"] if specreg(c)]
    whole["study"]["claims"] = [c for c in PUBLISHED["study"]["claims"] if not specreg(c)]
    for name in ("rows", "cells"):
        whole[name] = [e for e in whole[name] if e["model"] != "SpecReg"]
    made = combine(whole, part)
    judged = {c["statement"]: (c["verdict"], c["value"]) for c in made["claims"]}
    assert judged == {c["statement"]: (c["verdict"], c["value"]) for c in PUBLISHED["claims"]}
    assert len(made["rows"]) == len(PUBLISHED["rows"])
