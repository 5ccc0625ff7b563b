"""Claims about the seeds as an ensemble: the share in which a comparison holds, and a seed chosen among many."""

import math

import numpy as np
import pytest
from scipy import stats

from eigencode.study import Row
from eigencode.study._claims import Verdict, verdicts
from eigencode.study.read import study

MODELS = {name: {"recipe": "Init", "units": 5} for name in "AB"}
SAME, OPPOSITE = "undecided, same sign", "undecided, opposite sign"


def judged(claim: dict[str, object], **values: list[float]) -> Verdict:
    """The verdict on a claim about x of each model and seed; `y` is another quantity of A."""
    raw = {"statement": "s", "quantity": "test accuracy", "model": "A", **claim}
    spectra = [{"name": "y", "window": [2, 4]}]
    chosen = study({"name": "s", "models": MODELS, "spectra": spectra, "claims": [raw]})
    rows = [
        Row("mnist5k", "A" if name == "y" else name, i, "y" if name == "y" else "test accuracy", v, v, v, "", "key")
        for name, several in values.items()
        for i, v in enumerate(several)
    ]
    (found,) = verdicts(chosen, rows)
    return found


@pytest.mark.parametrize(("yes", "n"), [(0, 10), (3, 10), (9, 10), (10, 10), (79, 100), (7, 100)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_the_share_of_seeds_has_the_wilson_interval(yes: int, n: int, share: float) -> None:
    found = judged({"value": 1.0, "share": share}, A=[2.0] * yes + [0.5] * (n - yes))
    expected = stats.binomtest(yes, n).proportion_ci(method="wilson")
    assert found.seeds == n
    assert found.value == pytest.approx(yes / n - share)
    assert (found.low, found.high) == pytest.approx((expected.low - share, expected.high - share), abs=1e-9)
    certain = "reproduced" if expected.low > share else "reversed" if expected.high < share else ""
    assert found.verdict == (certain or (SAME if yes / n > share else OPPOSITE))
    assert (found.p < 0.05) == bool(certain)


def test_every_comparison_is_made_seed_by_seed() -> None:
    a, b = [1.0, 2.0, 3.0, 4.0], [0.0, 3.0, 2.0, 3.0]
    assert judged({"other": "B", "share": 0.0}, A=a, B=b).value == pytest.approx(0.75)
    assert judged({"other": "B", "share": 0.0, "comparison": "<"}, A=a, B=b).value == pytest.approx(0.25)
    within = {"comparison": "within", "value": 2.0, "tolerance": 1.0, "share": 0.5}
    found = judged(within, A=a)
    assert found.value == pytest.approx(0.25), "both ends belong to the range"
    assert found.compared == "share of the seeds with A within 2 ± 1, minus 0.5, claimed > 0"
    assert judged({"value": 2.0, "share": 0.0}, A=[2.0, 2.0]).value == 0, "equal is not larger"


def test_a_seed_that_is_not_known_might_hold_or_not() -> None:
    found = judged({"value": 0.0, "share": 0.0}, A=[1.0] * 8 + [-1.0] + [math.nan])
    low = stats.binomtest(8, 10).proportion_ci(method="wilson").low
    high = stats.binomtest(9, 10).proportion_ci(method="wilson").high
    assert (found.value, found.low, found.high) == pytest.approx((8 / 9, low, high))
    assert judged({"value": 0.0, "share": 0.0}, A=[math.nan]).verdict == "not measured"
    missing = judged({"other": "B", "share": 0.0}, A=[1.0] * 10, B=[0.0] * 9)
    assert missing.low == pytest.approx(stats.binomtest(9, 10).proportion_ci(method="wilson").low)


@pytest.mark.parametrize(("extreme", "seed"), [("largest", 3), ("smallest", 1)])
def test_the_chosen_seed_stands_beside_the_others(extreme: str, seed: int) -> None:
    values, keys = [1.0, 1.4, 1.1, 2.0, 1.3], [0.5, 0.1, 0.4, 0.9, 0.3]
    found = judged({extreme: "y"}, A=values, y=keys)
    others = values[:seed] + values[seed + 1 :]
    half = stats.t.ppf(0.975, 3) * np.std(others, ddof=1) * math.sqrt(1 + 1 / 4)
    difference = values[seed] - np.mean(others)
    assert (found.value, found.low, found.high) == pytest.approx(
        (difference, difference - half, difference + half), rel=1e-6
    )
    rank = sorted(values, reverse=True).index(values[seed]) + 1
    assert f"{extreme} y (seed {seed}, rank {rank} of 5 from the largest)" in found.compared
    contrary = judged({extreme: "y", "comparison": "<"}, A=values, y=keys)
    assert {found.verdict, contrary.verdict} in ({"reproduced", "reversed"}, {SAME, OPPOSITE})


def test_seeds_without_the_number_or_the_criterion_are_not_chosen() -> None:
    """One of them might be the one, so nothing is decided."""
    found = judged({"largest": "y"}, A=[5.0, 1.0, 1.1, 1.2, math.nan], y=[math.nan, 0.3, 0.2, 0.1, 9.0])
    assert "seed 1, rank 3 of 3" in found.compared
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert judged({"largest": "y"}, A=[1.0, 2.0], y=[1.0, 2.0]).verdict == "not measured"


def test_a_seed_whose_number_has_no_bound_is_the_largest() -> None:
    values, keys = [0.9, 0.7, 0.7001, 0.7002, 0.6], [1.0, 0.9, 0.8, 0.7, math.inf]
    found = judged({"largest": "y"}, A=values, y=keys)
    assert "seed 4, rank 5 of 5" in found.compared
    assert found.verdict == OPPOSITE
    assert judged({"largest": "y"}, A=values, y=[*keys[1:], math.inf]).verdict == "not measured"  # two are largest


def test_choosing_by_lot_is_rarely_significant() -> None:
    """The prediction interval keeps its level: 2.5 % on either side."""
    draw = np.random.default_rng(0)
    found = [
        judged({"largest": "y"}, A=draw.normal(size=8).tolist(), y=draw.normal(size=8).tolist()).verdict
        for _ in range(800)
    ]
    for word in ("reproduced", "reversed"):
        expected = stats.binomtest(found.count(word), 800, 0.025)
        assert expected.pvalue > 0.01, (word, found.count(word))
