"""A verdict says what its numbers say, and changes with them."""

import math

import pytest

from eigencode.base.errors import StudyError
from eigencode.study import Row, plan
from eigencode.study._claims import Verdict, verdicts
from eigencode.study.read import study

MODELS = {name: {"recipe": "Init", "units": 5} for name in "ABC"}
SPECTRA = [{"name": "α", "window": [2, 6]}]


def judged(claim: dict[str, object], values: dict[str, list[float]], images: float = math.nan) -> Verdict:
    """The verdict on a claim about accuracies of each model and seed; `images`: half width of their intervals."""
    chosen = study(
        {"name": "s", "models": MODELS, "claims": [{"statement": "x", "quantity": "test accuracy", **claim}]}
    )
    rows = [
        Row("mnist5k", model, seed, "test accuracy", value, value - images, value + images, "", "key")
        for model, several in values.items()
        for seed, value in enumerate(several)
    ]
    (found,) = verdicts(chosen, rows)
    return found


A_OVER_B = {"model": "A", "comparison": ">", "other": "B"}


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([3.0, 3.1, 3.2], [1.0, 1.1, 1.2], "reproduced"),
        ([3.0, 1.0, 2.0], [1.0, 1.4, 1.5], "partly"),
        ([1.0, 1.4, 1.5], [3.0, 1.0, 2.0], "not"),
        ([1.0, 1.1, 1.2], [3.0, 3.1, 3.2], "reversed"),
        ([1.0, 1.1, math.nan], [3.0, 3.1, 3.2], "not"),  # the seed that is missing might have said anything
        ([3.0, 3.1, 3.2], [1.0, math.nan, 1.2], "partly"),
        ([1.0, math.nan], [math.nan, 3.2], "not measured"),
        ([1.0, math.inf], [1.0, 3.2], "not measured"),
        ([], [3.0], "not measured"),
    ],
)
def test_one_model_against_another(a: list[float], b: list[float], verdict: str) -> None:
    found = judged(A_OVER_B, {"A": a, "B": b})
    assert found.verdict == verdict
    contrary = judged({**A_OVER_B, "comparison": "<"}, {"A": b, "B": a})
    assert contrary.verdict == verdict


def test_a_seed_that_is_missing_opens_the_interval() -> None:
    found = judged(A_OVER_B, {"A": [3.0, 3.4, 5.0], "B": [1.0, 1.2, math.nan]})
    assert found.value == pytest.approx(2.1)
    assert (found.low, found.high, found.seeds) == (-math.inf, math.inf, 2)


def test_seeds_are_paired() -> None:
    """Large differences between seeds, small and equal ones between models."""
    found = judged(A_OVER_B, {"A": [1.1, 5.1, 9.11], "B": [1.0, 5.0, 9.0]})
    assert found.verdict == "reproduced"
    assert found.value == pytest.approx(0.31 / 3)
    spread = math.sqrt(((0.1 - 0.31 / 3) ** 2 * 2 + (0.11 - 0.31 / 3) ** 2) / 2)
    assert found.high - found.value == pytest.approx(4.302653 * spread / math.sqrt(3), rel=1e-5)
    assert judged(A_OVER_B, {"A": [1.1, 5.1], "B": [1.0, 5.0, 0.0]}).seeds == 2


@pytest.mark.parametrize(("images", "verdict"), [(0.1, "reproduced"), (1.0, "partly"), (math.nan, "partly")])
def test_one_seed_has_the_interval_of_its_images(images: float, verdict: str) -> None:
    found = judged(A_OVER_B, {"A": [2.0], "B": [1.0]}, images)
    assert found.verdict == verdict
    if images == 0.1:
        assert (found.low, found.high) == pytest.approx((1 - 0.1 * math.sqrt(2), 1 + 0.1 * math.sqrt(2)))


@pytest.mark.parametrize(
    ("a", "verdict"),
    [
        ([1.0, 1.01, 0.99], "reproduced"),
        ([0.7, 1.2, 1.1], "partly"),
        ([1.2, 1.3, 1.1], "not"),
        ([2.0, 2.01, 1.99], "reversed"),
    ],
)
def test_a_value_with_a_tolerance(a: list[float], verdict: str) -> None:
    claim = {"model": "A", "comparison": "within", "value": 1.0, "tolerance": 0.15}
    assert judged(claim, {"A": a}).verdict == verdict


@pytest.mark.parametrize(
    ("c", "verdict"),
    [
        ([1.0, 1.1, 1.2], "reproduced"),
        ([1.0, 1.0, 2.95], "partly"),
        ([2.5, 2.6, 2.7], "not"),
        ([9.0, 9.1, 9.2], "not"),
    ],
)
def test_an_order(c: list[float], verdict: str) -> None:
    values = {"A": [3.0, 3.1, 3.2], "B": [2.0, 2.1, 2.2], "C": c}
    assert judged({"order": ["A", "B", "C"]}, values).verdict == verdict
    wrong = {"reproduced": "not", "partly": "not", "not": "reproduced" if c == [2.5, 2.6, 2.7] else "not"}
    assert judged({"order": ["A", "C", "B"]}, values).verdict == wrong[verdict]


def test_the_opposite_order_is_reversed() -> None:
    values = {"A": [1.0, 1.1], "B": [2.0, 2.1], "C": [3.0, 3.1]}
    found = judged({"order": ["A", "B", "C"]}, values)
    assert found.verdict == "reversed"
    assert found.value == pytest.approx(-1)
    assert judged({"order": ["A", "B", "C"]}, {"A": [1.0], "B": [2.0]}).verdict == "not measured"


def test_a_number_published_for_one_data_set_is_not_judged_on_another() -> None:
    law = {"statement": "a law", "quantity": "test accuracy", "model": "A", "other": "B"}
    number = {**law, "statement": "a number", "data": "digits"}
    both = study({"name": "s", "data": ["mnist5k", "digits"], "models": MODELS, "claims": [law, number]})
    judged = [(v.data, v.statement) for v in verdicts(both, [])]
    assert judged == [("mnist5k", "a law"), ("digits", "a law"), ("digits", "a number")]
    elsewhere = both.model_copy(update={"data": ("crops",)})
    plan(elsewhere)  # no mistake: the number waits for its data
    assert [v.statement for v in verdicts(elsewhere, [])] == ["a law"]


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"quantity": "test acuracy", "model": "A", "other": "B"}, "did you mean 'test accuracy'"),
        ({"model": "D", "other": "B"}, "unknown model"),
        ({"model": "A"}, "cannot be judged"),
        ({"model": "A", "other": "B", "value": 1.0}, "cannot be judged"),
        ({"model": "A", "other": "B", "comparison": "within"}, "cannot be judged"),
        ({"model": "A", "other": "B", "order": ["A", "B"]}, "cannot be judged"),
        ({"order": ["A"]}, "cannot be judged"),
        ({"model": "A", "other": "B", "data": "cifar"}, "did you mean 'cifar10'"),
    ],
)
def test_claims_that_cannot_be_judged(claim: dict[str, object], says: str) -> None:
    raw = {"statement": "x", "quantity": "test accuracy", **claim}
    with pytest.raises(StudyError, match=says):
        plan(study({"name": "s", "data": "digits", "models": MODELS, "spectra": SPECTRA, "claims": [raw]}))
