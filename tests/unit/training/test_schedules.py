"""Learning rates against the formulae of the paper."""

import math
from typing import Any

import pytest

from eigencode.base.errors import InputError
from eigencode.paper._recipes import RECIPES
from eigencode.training import Schedule

PAPER = [Schedule(**RECIPES[name]["supervised"]["schedule"]) for name in ("BP", "SpecReg")]


@pytest.mark.parametrize("epochs", [1, 7, 1000])
def test_formulae(epochs: int) -> None:
    for e in range(epochs):
        assert Schedule()(e, epochs) == 1
        assert Schedule("linear")(e, epochs) == 1 - e / epochs
        assert Schedule("cosine")(e, epochs) == pytest.approx(math.cos(math.pi * e / epochs / 2) ** 2, abs=1e-15)
        falling = 1.0 if e <= 5 else math.exp((5 - e) / 2.5)
        assert Schedule("exponential", start=5, scale=2.5)(e, epochs) == pytest.approx(falling, rel=1e-15)


def test_the_rates_of_the_paper() -> None:
    for e in range(1000):
        rate = 1e-3 if e < 30 else 5e-4 if e < 90 else 2e-4 if e < 120 else 1e-4 if e < 160 else 1e-5
        assert 1e-3 * PAPER[0](e, 1000) == pytest.approx(rate)
        assert PAPER[1](e, 1000) == pytest.approx(1.0 if e < 90 else math.exp(-(e - 90) / 30))


def test_the_published_read_out_halves_its_rate_seven_times() -> None:
    rates = [Schedule("halving")(e, 50) for e in range(50)]
    assert [e for e in range(1, 50) if rates[e] != rates[e - 1]] == [10, 17, 25, 30, 35, 40, 45]
    assert sorted({*rates}, reverse=True) == [0.5**n for n in range(8)]
    assert [Schedule("halving")(0, epochs) for epochs in (1, 2, 3)] == [1, 1, 1]


def test_rates_start_at_one_and_never_grow() -> None:
    kinds = [Schedule(kind) for kind in ("linear", "cosine", "exponential", "halving")]  # type: ignore[arg-type]
    for schedule in (*kinds, *PAPER):
        rates = [schedule(e, 200) for e in range(200)]
        assert rates[0] == 1
        assert min(rates) > 0
        assert rates == sorted(rates, reverse=True)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "stairs"}, "unknown schedule"),
        ({"kind": "piecewise"}, None),
        ({"kind": "piecewise", "boundaries": (3,)}, "do not fit"),
        ({"kind": "piecewise", "boundaries": (3, 2), "factors": (1, 2, 3)}, "do not fit"),
        ({"kind": "piecewise", "boundaries": (3, 3), "factors": (1, 2, 3)}, "do not fit"),
        ({"kind": "exponential", "scale": 0.0}, "scale is out of range"),
        ({"kind": "exponential", "scale": math.nan}, "scale is out of range"),
    ],
)
def test_settings(settings: dict[str, Any], says: str | None) -> None:
    if says is None:
        assert Schedule(**settings)(9, 10) == 1
    else:
        with pytest.raises(InputError, match=says):
            Schedule(**settings)
