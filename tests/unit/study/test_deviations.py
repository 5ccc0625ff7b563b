"""A deviation is one departure and nothing else; its effect is the difference it makes, paired over seeds."""

import math
from typing import Any

import pytest

from eigencode.base.errors import StudyError
from eigencode.paper._departures import departures, differences
from eigencode.study import Row, plan
from eigencode.study._claims import verdicts
from eigencode.study._deviations import effects
from eigencode.study._extensions import variants
from eigencode.study.read import study

SPECTRAL = {"name": "PublishedSpectral", "coefficient": 1.0, "alpha": 1.0, "tau": 0}
JACOBIAN = {"name": "published_jacobian", "coefficient": 1.0}


def penalised(penalty: dict[str, Any], *fix: str) -> dict[str, Any]:
    return {"units": 5, "batch_norm": True, "supervised": {"penalties": [{**penalty, "fix": list(fix)}]}}


MODELS: dict[str, dict[str, Any]] = {
    "A": {"units": 5},
    "B": {"units": 6},
    "KH": {"recipe": "KH", "units": 5},
    "KH D6": {"recipe": "KH", "units": 5, "published": ["D6"]},
    "D5": {"units": 5, "published": ["D5"]},
    "BN": {"units": 5, "batch_norm": True},
    "BN D17": {"units": 5, "batch_norm": True, "published": ["D17"]},
    "D1D2": penalised(SPECTRAL),
    "D1": penalised(SPECTRAL, "D2"),
    "D2": penalised(SPECTRAL, "D1"),
    "none": penalised(SPECTRAL, "D1", "D2"),
    "Spectral": penalised({"name": "Spectral", "coefficient": 1.0, "alpha": 1.0, "tau": 0, "place": "latent"}),
    "D3D4": penalised(JACOBIAN),
    "D3": penalised(JACOBIAN, "D4"),
    "D4": penalised(JACOBIAN, "D3"),
    "no Jacobian": penalised(JACOBIAN, "D3", "D4"),
}
del MODELS["Spectral"]["supervised"]["penalties"][0]["fix"]
GRID = {"eps": [0.01, 1.0], "points": 5}
PGD = {"name": "PGD", "steps": 3, "loss": "cross_entropy"}
RAW: dict[str, Any] = {
    "name": "s",
    "data": "digits",
    "models": MODELS,
    "spectra": [
        {"name": "α", "window": [2, 9], "widths": [4, 5]},
        {"name": "α, single", "window": [2, 9], "published": ["D13"]},
        {"name": "α, narrow", "window": [2, 5], "published": ["D13"]},
    ],
    "critical": [
        {"name": "noise", "attack": {"name": "Gaussian"}},
        {"name": "grid", "attack": {"name": "Gaussian"}, "grid": GRID},
        {"name": "grid, anew", "attack": {"name": "Gaussian"}, "grid": GRID, "published": ["D7"]},
        {"name": "PGD", "attack": PGD, "grid": GRID},
        {"name": "PGD, published", "attack": PGD, "grid": GRID, "published": ["D10"]},
    ],
    "curves": [
        {"name": "curve", "attack": {"name": "Gaussian"}, **GRID, "at": [0.1, 1.0]},
        {"name": "curve, anew", "attack": {"name": "Gaussian"}, **GRID, "at": [0.1], "published": ["D7"]},
    ],
}
"""Names such as "grid, anew" begin like another measurement with a reading, on purpose."""

GOOD = [
    ("D1", ("D2", "test accuracy"), ("D1D2", "test accuracy")),
    ("D1", ("none", "α"), ("D1", "α")),
    ("D1", ("Spectral", "α"), ("D1", "α")),
    ("D2", ("D1", "α"), ("D1D2", "α")),
    ("D3", ("D4", "α"), ("D3D4", "α")),
    ("D4", ("no Jacobian", "α"), ("D4", "α")),
    ("D5", ("A", "test accuracy"), ("D5", "test accuracy")),
    ("D6", ("KH", "units kept"), ("KH D6", "units kept")),
    ("D7", ("A", "grid"), ("A", "grid, anew")),
    ("D7", ("A", "grid, all images"), ("A", "grid, anew, all images")),
    ("D7", ("A", "curve, at 0.1"), ("A", "curve, anew, at 0.1")),
    ("D8", ("A", "noise"), ("A", "noise, broken only")),
    ("D9", ("A", "noise, all images"), ("A", "noise")),
    ("D10", ("A", "PGD"), ("A", "PGD, published")),
    ("D13", ("A", "α"), ("A", "α, single")),
    ("D13", ("data", "α"), ("data", "α, single")),
    ("D17", ("BN", "α"), ("BN D17", "α")),
    ("D13", ("A", "α, slope range"), ("A", "α, single, slope range")),
]
BAD = [
    ("D1", ("none", "α"), ("D1D2", "α"), "got:    D2"),
    ("D1", ("D1D2", "α"), ("D2", "α"), "D1 is on in neither|D1 alone"),
    ("D7", ("A", "grid"), ("A", "grid"), "D7 is on in neither"),
    ("D7", ("A", "grid, anew"), ("A", "grid, anew"), "D7 is on in both"),
    ("D7", ("A", "noise"), ("A", "grid, anew"), "measurement.points"),
    ("D7", ("A", "grid"), ("B", "grid, anew"), "model.units"),
    ("D7", ("A", "curve, at 1"), ("A", "curve, anew, at 0.1"), "measurement.reading"),
    ("D7", ("A", "curve"), ("A", "curve, anew"), "about a quantity that is not measured"),
    ("D8", ("A", "noise, all images"), ("A", "noise, broken only"), "got:    D9"),
    ("D13", ("A", "α"), ("A", "α, narrow"), "measurement.window"),
    ("D13", ("A", "α"), ("A", "α, single, slope range"), "measurement.reading"),
    ("D13", ("A", "α"), ("data", "α, single"), "model"),
    ("D13", ("A", "α"), ("A", "β"), "about a quantity that is not measured"),
    ("D13", ("C", "α"), ("A", "α, single"), "unknown model"),
    ("D17", ("A", "α"), ("BN D17", "α"), "model.batch_norm"),
]


def entry(name: str, off: tuple[str, str], on: tuple[str, str]) -> dict[str, Any]:
    return {"id": name, "model": off[0], "quantity": off[1], "published_model": on[0], "published_quantity": on[1]}


@pytest.mark.parametrize(("name", "off", "on"), GOOD)
def test_every_departure_can_be_switched_by_itself(name: str, off: tuple[str, str], on: tuple[str, str]) -> None:
    chosen = study({**RAW, "deviations": [entry(name, off, on)]})
    one, other = departures(chosen, *on), departures(chosen, *off)
    assert one.ids - other.ids == {name}
    assert list(differences(one.rest, other.rest)) == []
    plan(chosen)


@pytest.mark.parametrize(("name", "off", "on", "says"), BAD)
def test_what_shows_something_else_is_refused(name: str, off: tuple[str, str], on: tuple[str, str], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        plan(study({**RAW, "deviations": [entry(name, off, on)]}))


def test_every_number_of_the_list_has_a_switch() -> None:
    assert {name for name, *_ in GOOD} == {*variants()}


REFUSED = [
    ({"critical": [{"attack": {"name": "Gaussian"}, "published": ["D7"]}]}, "needs a grid of eps"),
    ({"critical": [{"attack": {"name": "FGSM"}, "grid": GRID, "published": ["D7"]}]}, "no departure of this attack"),
    ({"curves": [{"attack": {"name": "DDN"}, "published": ["D7"]}]}, "no departure of this attack"),
    ({"models": {"A": {"units": 5, "published": ["D6"]}}}, "D6 needs prune"),
    ({"models": {"A": {"units": 5, "published": ["D7"]}}}, "models.A.published"),
    ({"models": {"A": {"units": 5, "published": ["D17"]}}}, "D17 needs batch_norm"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED)
def test_departures_in_the_wrong_place(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        plan(study({"name": "s", "data": "digits", "models": {"A": {"units": 5}}, **changes}))


def row(model: str, seed: int, quantity: str, value: float, half: float = math.nan) -> Row:
    return Row("digits", model, seed, quantity, value, value - half, value + half, "", "key")


CLAIM = {"statement": "x", "quantity": "grid", "model": "A", "other": "B", "explained_by": ["D7"]}
D7 = entry("D7", ("A", "grid"), ("A", "grid, anew"))


def test_an_effect_is_published_minus_corrected_over_seeds() -> None:
    chosen = study({**RAW, "deviations": [D7], "claims": [CLAIM]})
    found = [row("A", s, "grid", v) for s, v in enumerate((3.0, 5.0, 7.0))]
    found += [row("A", s, "grid, anew", v) for s, v in enumerate((1.0, 2.9, 5.1))]
    found += [row("B", s, "grid", 9.0 + s) for s in range(3)]
    (effect,) = effects(chosen, found)
    assert (effect.id, effect.published, effect.corrected, effect.seeds) == ("D7", 3.0, 5.0, 3)
    assert effect.difference == pytest.approx(-2.0)
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (effect.low, effect.high) == pytest.approx((-2 - half, -2 + half), rel=1e-5)
    half = 4.302653 * 2 / math.sqrt(3)
    assert (effect.corrected_low, effect.corrected_high) == pytest.approx((5 - half, 5 + half), rel=1e-5)
    (verdict,) = verdicts(chosen, found)
    assert (verdict.verdict, verdict.explained_by) == ("reversed", ("D7",))
    (missing,) = effects(chosen, found[:3])
    assert (missing.corrected, missing.seeds) == (5.0, 0)
    assert math.isnan(missing.published)
    assert math.isnan(missing.difference)


def test_one_seed_has_the_intervals_of_its_images() -> None:
    chosen = study({**RAW, "deviations": [D7]})
    (effect,) = effects(chosen, [row("A", 0, "grid", 3.0, 0.3), row("A", 0, "grid, anew", 1.0, 0.4)])
    assert (effect.published_low, effect.corrected_high) == pytest.approx((0.6, 3.3))
    assert (effect.low, effect.high) == pytest.approx((-2.5, -1.5))


def test_a_claim_compares_two_quantities_of_one_model() -> None:
    claim = {"statement": "x", "quantity": "grid", "model": "A", "other": "A", "other_quantity": "noise"}
    chosen = study({**RAW, "claims": [claim]})
    plan(chosen)
    found = [row("A", s, "grid", 2.0 + s + 0.01 * s) for s in range(3)] + [
        row("A", s, "noise", 1.0 + s) for s in range(3)
    ]
    (verdict,) = verdicts(chosen, found)
    assert verdict.verdict == "reproduced"
    assert verdict.value == pytest.approx(1.01)
    assert "A (noise)" in verdict.compared


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"explained_by": ["D8"]}, "explained by a departure the study does not show"),
        ({"explained_by": ["D12"]}, "explained by a departure the study does not show"),
        ({"other_quantity": "grid, anewe"}, "did you mean 'grid, anew'"),
        ({"other": None, "value": 1.0, "other_quantity": "noise"}, "cannot be judged"),
    ],
)
def test_claims_that_show_nothing(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        plan(study({**RAW, "deviations": [D7], "claims": [{**CLAIM, **changes}]}))
