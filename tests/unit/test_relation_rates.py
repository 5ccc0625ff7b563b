"""Planted worlds: the analysis says what is true in each, and errs as rarely as docs/alpha.md says."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from eigencode.study.config import Study

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "published" / "relation_rates"


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools import relation_rates

    return relation_rates


def at_most(share: float, replicates: int) -> float:
    """The largest count that a true share gives, but in one of 10 000 simulations."""
    return share * replicates + 3.7 * (share * (1 - share) * replicates) ** 0.5 + 1


def checked(rates: ModuleType, world: str, censored: float, replicates: int) -> None:
    found = rates.words(world, censored, replicates, np.random.default_rng(1))
    for claim in rates.CLAIMS:
        for word in rates.mistakes(world, claim):
            assert found[claim][word] <= at_most(0.025, replicates), f"{world}, {claim}: {word}"


FOUND = {
    "α causes robustness": [("α", "reproduced"), ("α within families", "reproduced")],
    "accuracy causes both": [("α within families", "reproduced")],
    "family causes both": [("α within families", "reversed"), ("α between minus within", "reproduced")],
    "nothing causes anything": [],
}
"""Verdicts that nearly every study gives."""


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("world", FOUND)
def test_each_world_is_told_from_the_others(rates: ModuleType, world: str) -> None:
    for censored in (0.0, 0.4):
        checked(rates, world, censored, 20)
    found = rates.words(world, 0.2, 20, np.random.default_rng(2))
    for claim, word in FOUND[world]:
        assert found[claim][word] >= 14, claim


@pytest.mark.usefixtures("unchecked")
def test_a_simulation_notices_intervals_that_forget_the_families(
    rates: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every network by itself, as least squares has it."""
    alone = rates.asked().model_dump()
    for relation in alone["relations"]:
        relation["groups"] = ["model"]
    wrong = Study.model_validate(alone)
    monkeypatch.setattr(rates, "asked", lambda: wrong)
    with pytest.raises(AssertionError, match="nothing causes anything, α"):
        checked(rates, "nothing causes anything", 0.0, 60)


def published(name: str) -> dict[tuple[str, str, str], float]:
    rows = json.loads((PUBLISHED / f"{name}.json").read_text("utf-8"))["rows"]
    return {(r["data"], r["model"], r["quantity"]): r["value"] for r in rows}


def test_no_published_rate_is_larger_than_it_may_be(rates: ModuleType) -> None:
    worlds = published("worlds")
    for (world, claim, column), value in worlds.items():
        if column.split(",")[0] in rates.mistakes(world, claim):
            assert value <= at_most(0.025, 400) / 400, f"{world}, {claim}, {column}"
    for (_, world, column), value in published("holm").items():
        assert "Holm" not in column or value <= at_most(0.05, 400) / 400, f"{world}, {column}"


def test_the_chosen_interval_covers_and_the_others_do_not() -> None:
    held = published("coverage")
    chosen = [v for k, v in held.items() if k[2] == "jackknife, effective number of families"]
    assert min(chosen) >= 1 - at_most(0.05, 400) / 400
    assert max(chosen) <= 0.99
    for other in ("bootstrap over families", "sandwich"):
        assert np.mean([v for k, v in held.items() if k[2] == other]) < 0.93


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_the_published_rates_are_those_of_this_code(rates: ModuleType) -> None:
    replicates = 60
    for name, rows in rates.simulated(replicates, lambda line: None).items():
        wanted = published(name)
        assert {(r.data, r.model, r.quantity) for r in rows} == set(wanted)
        for r in rows:
            value = wanted[r.data, r.model, r.quantity]
            both = (replicates * r.value + 400 * value) / (replicates + 400)
            error = (both * (1 - both) * (1 / replicates + 1 / 400)) ** 0.5
            assert abs(r.value - value) <= 4.5 * error + 1e-9, f"{name}: {r.data}, {r.model}, {r.quantity}"
