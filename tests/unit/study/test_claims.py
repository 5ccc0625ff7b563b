"""A verdict says what its numbers say, and changes with them."""

import math

import pytest
from scipy import stats

from eigencode.base.errors import StudyError
from eigencode.base.intervals import t_interval
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
SAME, OPPOSITE = "undecided, same sign", "undecided, opposite sign"


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([3.0, 3.1, 3.2], [1.0, 1.1, 1.2], "reproduced"),
        ([3.0, 1.0, 2.0], [1.0, 1.4, 1.5], SAME),
        ([1.0, 1.4, 1.5], [3.0, 1.0, 2.0], OPPOSITE),
        ([1.0, 1.1, 1.2], [3.0, 3.1, 3.2], "reversed"),
        ([1.0, 1.1, math.nan], [3.0, 3.1, 3.2], OPPOSITE),  # the seed that is missing might have said anything
        ([3.0, 3.1, 3.2], [1.0, math.nan, 1.2], SAME),
        ([2.0, 2.0], [2.0, 2.0], OPPOSITE),  # nothing is larger
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
    assert contrary.p == pytest.approx(found.p, nan_ok=True)


def test_a_seed_that_is_missing_opens_the_interval() -> None:
    found = judged(A_OVER_B, {"A": [3.0, 3.4, 5.0], "B": [1.0, 1.2, math.nan]})
    assert found.value == pytest.approx(2.1)
    assert (found.low, found.high, found.seeds, found.p) == (-math.inf, math.inf, 2, 1.0)


def test_seeds_are_paired() -> None:
    """Large differences between seeds, small and equal ones between models."""
    found = judged(A_OVER_B, {"A": [1.1, 5.1, 9.11], "B": [1.0, 5.0, 9.0]}, images=100.0)
    assert found.verdict == "reproduced"
    assert found.value == pytest.approx(0.31 / 3)
    spread = math.sqrt(((0.1 - 0.31 / 3) ** 2 * 2 + (0.11 - 0.31 / 3) ** 2) / 2)
    assert found.high - found.value == pytest.approx(4.302653 * spread / math.sqrt(3), rel=1e-5)
    assert found.p == pytest.approx(stats.ttest_rel([1.1, 5.1, 9.11], [1.0, 5.0, 9.0]).pvalue)
    assert judged(A_OVER_B, {"A": [1.1, 5.1], "B": [1.0, 5.0, 0.0]}).seeds == 2


@pytest.mark.parametrize(("images", "verdict"), [(0.1, "reproduced"), (1.0, SAME), (math.nan, SAME), (-1.0, SAME)])
def test_one_seed_has_the_interval_of_its_images(images: float, verdict: str) -> None:
    """A negative half width: the interval is that of another number."""
    found = judged(A_OVER_B, {"A": [2.0], "B": [1.0]}, images)
    assert found.verdict == verdict
    if images == 0.1:
        assert (found.low, found.high) == pytest.approx((1 - 0.1 * math.sqrt(2), 1 + 0.1 * math.sqrt(2)))


def test_the_number_of_one_model_varies_with_seeds_and_images() -> None:
    claim = {"model": "A", "value": 0.0}
    values = [1.0, 1.01, 0.99]
    alone, both = (judged(claim, {"A": values}, images) for images in (math.nan, 0.5))
    assert (alone.low, alone.high) == pytest.approx(t_interval(values)[1:])
    assert (both.low, both.high) == pytest.approx((0.5, 1.5), abs=0.005), "as much as one seed on its images"
    assert judged(claim, {"A": values}, 1.1).verdict == SAME
    assert judged(claim, {"A": values}, 0.9).verdict == "reproduced"


@pytest.mark.parametrize(
    ("a", "images", "verdict"),
    [
        ([1.0, 1.01, 0.99], math.nan, "reproduced"),
        ([1.0, 1.01, 0.99], 0.1, "reproduced"),
        ([1.0, 1.01, 0.99], 0.2, "undecided, inside"),
        ([0.7, 1.2, 1.1], math.nan, "undecided, inside"),
        ([1.2, 1.3, 1.1], math.nan, "undecided, outside"),
        ([2.0, 2.01, 1.99], math.nan, "outside"),
        ([0.2, 0.21, 0.19], 0.1, "outside"),
        ([2.0, 2.01, 1.99], 1.0, "undecided, outside"),
        ([1.15, 1.15], math.nan, "reproduced"),  # the same in all seeds, and the end belongs to the range
        ([math.inf, 1.0], math.nan, "not measured"),
    ],
)
def test_a_value_with_a_tolerance(a: list[float], images: float, verdict: str) -> None:
    claim = {"model": "A", "comparison": "within", "value": 1.0, "tolerance": 0.15}
    found = judged(claim, {"A": a}, images)
    assert found.verdict == verdict
    assert (found.p < 0.05) == (verdict in ("reproduced", "outside") and len(a) == 3)


@pytest.mark.parametrize(
    ("c", "verdict", "decided"),
    [
        ([1.0, 1.1, 1.25], "reproduced", "B − C"),
        ([1.0, 1.0, 2.15], SAME, "B − C"),
        ([2.0, 2.5, 2.2], OPPOSITE, "B − C"),
        ([2.5, 2.6, 3.1], OPPOSITE, "B − C"),  # p = 0.040 for one pair, not for the better of two
        ([2.5, 2.6, 2.7], "reversed", "B − C"),  # one pair is certainly the other way round
        ([9.0, 9.1, 9.3], "reversed", "B − C"),
    ],
)
def test_an_order(c: list[float], verdict: str, decided: str) -> None:
    values = {"A": [3.0, 3.1, 3.2], "B": [2.0, 2.1, 2.21], "C": c}
    found = judged({"order": ["A", "B", "C"]}, values)
    assert found.verdict == verdict
    assert found.compared == f"A > B > C; decided by {decided}"
    pair = stats.ttest_rel(values["B"], c).pvalue
    assert found.p == pytest.approx(min(1.0, pair * (1 if found.value > 0 else 2)))
    assert judged({"order": ["B", "C"]}, values).compared == "B > C"


def test_an_order_with_equal_or_certain_neighbours() -> None:
    """Two that are equal in all seeds say nothing, and do not stand before a pair that is reversed."""
    order = {"order": ["A", "B", "C"]}
    tied = judged(order, {"A": [1.0] * 4, "B": [1.0] * 4, "C": [3.0, 3.1, 2.9, 3.05]})
    assert (tied.verdict, tied.compared[-5:]) == ("reversed", "B − C")
    assert tied.p < 1e-3
    certain = judged(order, {"A": [1.0] * 4, "B": [2.0] * 4, "C": [3.0] * 4})
    assert certain.verdict == "reversed"
    assert math.isnan(certain.p)
    equal = judged(order, {"A": [1.0] * 4, "B": [1.0] * 4, "C": [1.0] * 4})
    assert equal.verdict == OPPOSITE


def test_the_opposite_order_is_reversed() -> None:
    values = {"A": [1.0, 1.1], "B": [2.0, 2.1], "C": [3.0, 3.1]}
    found = judged({"order": ["A", "B", "C"]}, values)
    assert found.verdict == "reversed"
    assert found.value == pytest.approx(-1)
    missing = judged({"order": ["A", "B", "C"]}, {"A": [1.0], "B": [2.0]}, images=0.1)
    assert (missing.verdict, missing.compared) == ("not measured", "A > B > C; missing: B − C")


def test_every_verdict_stands_beside_the_same_among_all_claims() -> None:
    claims = [
        {"statement": f"{i}", "quantity": "test accuracy", "model": "A", "value": v} for i, v in enumerate((0, 0.8, 5))
    ]
    chosen = study({"name": "s", "models": MODELS, "claims": claims})
    rows = [Row("mnist5k", "A", i, "test accuracy", v, v, v, "", "key") for i, v in enumerate((0.9, 1.0, 1.1))]
    found = verdicts(chosen, rows)
    assert [v.verdict for v in found] == ["reproduced", SAME, "reversed"]
    p = [v.p for v in found]
    assert [v.p_holm for v in found] == pytest.approx([2 * p[0], p[1], 3 * p[2]])
    assert [v.p_holm for v in verdicts(chosen, [])] == pytest.approx([math.nan] * 3, nan_ok=True)


def test_a_number_that_nothing_moves_has_no_p_value() -> None:
    found = judged(A_OVER_B, {"A": [1.0, 1.0, 1.0], "B": [0.0, 0.0, 0.0]})
    assert found.verdict == "reproduced"
    assert math.isnan(found.p)
    assert math.isnan(found.p_holm)


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
        ({"order": ["A", "B"], "share": 0.5}, "cannot be judged"),
        ({"order": ["A", "B"], "largest": "α"}, "cannot be judged"),
        ({"model": "A", "share": 0.5}, "cannot be judged"),
        ({"model": "A", "largest": "α", "value": 1.0}, "cannot be judged"),
        ({"model": "A", "largest": "α", "other": "B"}, "cannot be judged"),
        ({"model": "A", "largest": "α", "smallest": "α"}, "cannot be judged"),
        ({"model": "A", "largest": "α", "comparison": "within"}, "cannot be judged"),
        ({"model": "A", "largest": "α", "share": 0.5}, "cannot be judged"),
        ({"model": "A", "largest": "beta"}, "not measured"),
        ({"model": "A", "other": "B", "data": "cifar"}, "did you mean 'cifar10'"),
    ],
)
def test_claims_that_cannot_be_judged(claim: dict[str, object], says: str) -> None:
    raw = {"statement": "x", "quantity": "test accuracy", **claim}
    with pytest.raises(StudyError, match=says):
        plan(study({"name": "s", "data": "digits", "models": MODELS, "spectra": SPECTRA, "claims": [raw]}))
