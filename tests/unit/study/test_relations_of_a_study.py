"""From the numbers of a study to its relations, and the verdicts on claims about them."""

import json
import math
from typing import Any

import numpy as np
import pytest
from small_study import planned

from eigencode.base import strict_json
from eigencode.base.errors import StudyError
from eigencode.study._claims import Verdict, verdicts
from eigencode.study.config import Study
from eigencode.study.part import part
from eigencode.study.plan import plan
from eigencode.study.read import study
from eigencode.study.relations._related import related
from eigencode.study.results import Row

SIZE, ALPHA = "critical size, PGD", "α images"
PLAIN: dict[str, Any] = {
    "name": "of α",
    "outcome": {"quantity": SIZE, "transform": "log"},
    "predictors": [ALPHA],
    "controls": ["test accuracy"],
}
MODELS = {f"M{i}": {"recipe": "Init", "units": 60, "family": f"F{i % 6}"} for i in range(18)}
BIGGER = {"statement": "a", "relation": "of α", "effect": "pooled"}


def asked(claims: list[dict[str, Any]] | None = None, relation: dict[str, Any] | None = None, **more: Any) -> Study:
    raw: dict[str, Any] = {
        "name": "x",
        "data": "digits",
        "seeds": [0, 1],
        "models": MODELS,
        "spectra": [{"name": ALPHA, "window": [5, 20]}],
        "critical": [{"name": SIZE, "attack": {"name": "PGD"}}],
        "relations": [{**PLAIN, **(relation or {})}],
        "claims": claims or [],
    }
    return study({**raw, **more})


def numbers(slope: float = 0.5, **changed: tuple[float, float, float]) -> list[Row]:
    """Rows with log size = `slope` α + accuracy + noise; `changed`: value, low and high of the size of a network."""
    rng, found = np.random.default_rng(0), []
    for seed in (0, 1):
        for model in MODELS:
            alpha, accuracy = 1 + 0.3 * rng.normal(), 0.8 + 0.1 * rng.normal()
            size = math.exp(slope * alpha + accuracy + 0.05 * rng.normal())
            values = {ALPHA: (alpha,) * 3, "test accuracy": (accuracy,) * 3, SIZE: (size,) * 3}
            if f"{model}_{seed}" in changed:
                values[SIZE] = changed[f"{model}_{seed}"]
            found += [Row("digits", model, seed, q, *v, "", "") for q, v in values.items()]
    return found


def judged(claim: dict[str, Any], rows: list[Row], **more: Any) -> Verdict:
    (found,) = verdicts(asked([{**BIGGER, **claim}], **more), rows)
    return found


def test_a_claim_about_a_relation_has_the_words_of_any_claim() -> None:
    rows = numbers()
    found = judged({}, rows)
    assert (found.verdict, found.quantity, found.seeds) == ("reproduced", f"log {SIZE}", 2)
    assert found.low < found.value < found.high
    assert found.p == found.p_holm < 0.001
    assert found.compared == "pooled of α images given test accuracy, 36 networks in 6 groups, claimed > 0"
    assert judged({"comparison": "<"}, rows).verdict == "reversed"
    alpha = np.array([r.value for r in rows if r.quantity == ALPHA])
    assert found.value == pytest.approx(0.5 * alpha.std(), abs=0.01)  # per standard deviation of α
    assert judged({"comparison": "within", "value": 0.15, "tolerance": 0.1}, rows).verdict == "reproduced"
    assert judged({"comparison": "within", "value": 0.5, "tolerance": 0.1}, rows).verdict == "outside"


def test_a_share_of_variance_is_compared_as_such() -> None:
    rows = numbers()
    found = judged({"effect": "partial R2", "value": 0.5}, rows)
    assert found.verdict == "reproduced"
    assert 0 < found.low < found.value < found.high < 0.5
    assert found.compared.endswith("minus 0.5, claimed > 0")
    assert judged({"effect": "partial R2", "value": 0.02, "comparison": "<"}, rows).verdict == "reversed"
    assert judged({"effect": "prediction R2", "value": 0.5}, rows).verdict == "reproduced"


def test_a_share_of_variance_within_a_range_that_reaches_zero() -> None:
    """R² is never below 0: a range from 0, or from below it, is as wide as one without an end there."""
    rows = numbers(slope=0.0)
    below = judged({"effect": "partial R2", "value": 0.6, "comparison": "<"}, rows)
    assert below.verdict == "reproduced"
    for value, tolerance in ((0.0, 0.6), (0.3, 0.3), (0.1, 0.5)):
        claim = {"effect": "partial R2", "comparison": "within", "value": value, "tolerance": tolerance}
        found = judged(claim, rows)
        assert found.verdict == "reproduced"
        assert found.p == pytest.approx(below.p)


def test_another_predictor_is_named_by_its_quantity_or_its_label() -> None:
    both = {
        "predictors": [{"quantity": ALPHA, "transform": "distance", "origin": 1.0}, "test accuracy"],
        "controls": [],
    }
    rows = numbers(slope=0.0)
    for name in ("test accuracy", "|α images − 1|", ALPHA):
        found = judged({"predictor": name}, rows, relation=both)
        assert (found.verdict == "reproduced") == (name == "test accuracy")
    assert "of |α images − 1|," in judged({}, rows, relation=both).compared


def test_a_size_beyond_the_largest_is_censored_there() -> None:
    study, rows = asked(), numbers(M3_1=(math.inf, 4.0, math.inf))
    (found,) = related(study, rows)
    (point,) = (p for p in found.points if p.censored)
    assert (point.model, point.seed, point.outcome) == ("M3", 1, pytest.approx(math.log(4)))
    assert found.warnings == ("the outcome of 1 of 36 networks is a lower bound",)


@pytest.mark.parametrize("low", [1.5, math.nan])
def test_the_bound_is_the_largest_size_and_not_the_end_of_the_interval(low: float) -> None:
    rows = [
        Row(**{**vars(r), "bound": 4.0}) if r.value == math.inf else r for r in numbers(M3_1=(math.inf, low, math.inf))
    ]
    (found,) = related(asked(), rows)
    assert [p.outcome for p in found.points if p.censored] == [pytest.approx(math.log(4))]
    assert len(found.points) == 36


def test_a_number_at_its_bound_is_a_lower_bound() -> None:
    rows = [Row(**{**vars(r), "bound": r.value}) if r.quantity == SIZE and r.model == "M2" else r for r in numbers()]
    (found,) = related(asked(), rows)
    assert {p.model for p in found.points if p.censored} == {"M2"}


def test_a_bound_below_an_origin_is_no_bound_of_a_distance() -> None:
    rows = [
        Row(**{**vars(r), "bound": 4.0}) if r.value == math.inf else r for r in numbers(M3_1=(math.inf, 1, math.inf))
    ]
    for origin, left in ((3.0, 36), (5.0, 35)):
        outcome = {"quantity": SIZE, "transform": "distance", "origin": origin}
        (found,) = related(asked(relation={"outcome": outcome}), rows)
        assert len(found.points) == left
        assert [p.outcome for p in found.points if p.censored] == [1.0][: left - 35]


def test_an_effect_without_end_is_told() -> None:
    at_most = {f"{m}_{s}": (math.inf, 4.0, math.inf) for m in ("M0", "M1") for s in (0, 1)}
    rows = [
        Row(**{**vars(r), "value": float(r.model in ("M0", "M1"))}) if r.quantity == ALPHA else r
        for r in numbers(**at_most)
    ]
    (found,) = related(asked(), rows)
    assert found.warnings[-1].startswith("no effect, as the outcome is a lower bound wherever it is high, or low: α")


def test_networks_without_a_number_are_counted_and_named() -> None:
    rows = [r for r in numbers(M3_1=(math.nan,) * 3) if (r.model, r.quantity) != ("M5", ALPHA)]
    (found,) = related(asked(), rows)
    assert len(found.points) == 33
    assert found.warnings == ("3 of 36 networks lack a number of the relation and are left out: M3 (1), M5 (2)",)


def test_a_zero_has_no_logarithm() -> None:
    (found,) = related(asked(), numbers(M3_1=(0.0,) * 3))
    assert len(found.points) == 35


def test_warnings_and_local_training_are_columns() -> None:
    rows = [
        Row(**{**vars(r), "warnings": ("doubt",)}) if (r.model, r.quantity) == ("M0", ALPHA) else r for r in numbers()
    ]
    local = {"recipe": "KH", "units": 60, "family": "F0"}
    chosen = asked(relation={"predictors": [ALPHA, "local"], "controls": ["warned"]}, models={**MODELS, "M1": local})
    (found,) = related(chosen, rows)
    assert {p.model for p in found.points if p.values[1]} == {"M1"}
    assert {p.model for p in found.points if p.values[2]} == {"M0"}
    assert found.warnings == ("2 of 36 networks have a number with a warning",)


def test_seeds_have_an_intercept_of_their_own() -> None:
    """A constant added to all sizes of one seed changes nothing."""
    rows = numbers()
    moved = [
        Row(**{**vars(r), **{k: 9 * getattr(r, k) for k in ("value", "low", "high")}})
        if (r.seed, r.quantity) == (1, SIZE)
        else r
        for r in rows
    ]
    seeds = {"groups": ["family", "seed"]}
    one, other = (judged({}, some, relation=seeds) for some in (rows, moved))
    assert one.value == pytest.approx(other.value)
    assert judged({}, moved).value != pytest.approx(one.value, rel=0.01)


def test_groups_of_models() -> None:
    (found,) = related(asked(relation={"groups": ["model"]}), numbers())
    assert len(found.groups) == 18


def test_what_is_kept_is_strict_json() -> None:
    (found,) = related(asked(), numbers(M3_1=(math.inf, 4.0, math.inf)))
    kept = json.loads(strict_json.dumps(found.kept()))
    assert (kept["outcome"], kept["predictors"], kept["controls"]) == (f"log {SIZE}", [ALPHA], ["test accuracy"])
    assert len(kept["points"]) == 36
    assert {e["effect"] for e in kept["effects"]} >= {"pooled", "within", "between", "prediction gain"}
    assert all(isinstance(p["predicted"], float) for p in kept["points"])


def test_too_few_networks_are_no_relation() -> None:
    rows = [r for r in numbers() if r.model in ("M0", "M1")]
    (found,) = related(asked(), rows)
    assert found.analysis is None
    assert found.warnings[-1] == "too few networks or groups for a regression"
    assert judged({}, rows).verdict == "not measured"


def test_a_part_of_the_models_has_no_relations() -> None:
    whole = asked([BIGGER])
    some = part(whole, ["M0", "M1"])
    assert (some.relations, some.claims) == ((), ())
    assert part(whole, list(MODELS)).claims == whole.claims


def test_a_family_is_in_no_key() -> None:
    moved = {name: {**model, "family": "other"} if name == "M0" else model for name, model in MODELS.items()}
    one, other = (plan(asked(models=models)) for models in (MODELS, moved))
    assert [c.step.key for c in one] == [c.step.key for c in other]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "relation": ({"relation": "of β"}, "unknown relation"),
    "effect": ({"effect": None}, "cannot be judged"),
    "model": ({"model": "A"}, "cannot be judged"),
    "quantity": ({"quantity": SIZE}, "cannot be judged"),
    "range": ({"comparison": "within"}, "cannot be judged"),
    "joint": ({"effect": "R2", "predictor": ALPHA}, "all predictors together"),
    "predictor": ({"predictor": "test accuracy"}, "no predictor of the relation"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_claim_that_cannot_be_judged_is_refused(name: str) -> None:
    change, said = WRONG[name]
    claim = {k: v for k, v in {**BIGGER, **change}.items() if v is not None}
    with pytest.raises(StudyError, match=said):
        plan(asked([claim]))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "outcome": ({"outcome": "critical size"}, "not measured"),
    "built in": ({"outcome": "warned"}, "not measured"),
    "control": ({"controls": ["accuracy"]}, "not measured"),
    "no group": ({"groups": ["seed"]}, '"family" or "model"'),
    "twice": ({"controls": [ALPHA]}, "same column twice"),
    "none": ({"predictors": []}, "at least 1"),
    "key": ({"predictor": ALPHA}, "unknown key"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_relation_is_refused(name: str) -> None:
    change, said = BAD[name]
    with pytest.raises(StudyError, match=said):
        plan(asked(relation=change))


def test_two_relations_of_one_name_and_too_few_groups_are_refused() -> None:
    with pytest.raises(StudyError, match="same name"):
        plan(asked(relations=[PLAIN, PLAIN]))
    with pytest.raises(StudyError, match="too few groups"):
        planned(relations=[{**PLAIN, "outcome": "test accuracy", "predictors": ["local"], "controls": []}])
