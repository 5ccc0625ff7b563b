"""What a study names is found by its name, with its settings checked before anything is computed."""

from typing import Any

import pytest

from eigencode.base.errors import InputError, StudyError
from eigencode.penalties import Penalty
from eigencode.robustness import PGD
from eigencode.robustness.minimal import MinimumNorm
from eigencode.robustness.protocol import Perturbation
from eigencode.rules import KrotovHopfield, Rule
from eigencode.study._catalogue import find, make, modules, plugins
from eigencode.study._choice import Choice

KINDS: dict[str, tuple[type, ...]] = {
    "rules": (Rule,),
    "penalties": (Penalty,),
    "robustness": (Perturbation, MinimumNorm),
}


NEEDED = {"Foolbox": {"attack": "CW"}}
"""Settings without a default."""


@pytest.mark.parametrize("package", KINDS)
def test_plugins_are_what_can_be_used_and_nothing_else(package: str) -> None:
    found = plugins(package)
    assert found
    for name, plugin in found.items():
        assert issubclass(plugin, KINDS[package]), name
        assert isinstance(make(package, Choice(name=name, **NEEDED.get(name, {}))), plugin)
    assert not {"Rule", "Rows", "Penalty", "Batch", "Watch", "Perturbation", "Curve", "CriticalSizes"} & set(found)


@pytest.mark.parametrize("name", ["KrotovHopfield", "krotov_hopfield", "krotov-hopfield", "KROTOVHOPFIELD"])
def test_spelling_of_names_is_forgiven(name: str) -> None:
    assert find("rules", name) is KrotovHopfield
    assert list(modules("rules", Choice(name=name))) == ["eigencode.rules.krotov_hopfield"]


def test_settings_reach_the_plugin() -> None:
    assert make("robustness", Choice(name="PGD", norm="l2", steps=7)) == PGD(norm="l2", steps=7)
    assert make("penalties", Choice(name="Spectral", tau=3)).tau == 3
    assert make("penalties", Choice(name="PublishedSpectral", fix=["D1"])).fix == {"D1"}


def test_a_study_overrides_what_the_network_says_and_unknown_offers_are_dropped() -> None:
    rule = make("rules", Choice(name="KrotovHopfield", p=2), p=3.0, radius=2.0, colour="red")
    assert (rule.p, rule.radius) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("package", "choice", "says"),
    [
        ("rules", {"name": "KrotowHopfield"}, "did you mean 'KrotovHopfield'"),
        ("rules", {"name": "Rule"}, "unknown name in rules"),
        ("robustness", {"name": "Curve"}, "unknown name in robustness"),
        ("robustness", {"name": "critical_size"}, "unknown name in robustness"),
        ("robustness", {"name": "__class__"}, "unknown name in robustness"),
        ("penalties", {"name": "Batch"}, "unknown name in penalties"),
        ("robustness", {"name": "PGD", "stepps": 3}, "did you mean 'steps'"),
        ("robustness", {"name": "PGD", "__init__": 3}, "PGD has no setting __init__"),
        ("robustness", {"name": "PGD", "steps": "many"}, "PGD.steps: "),
        ("robustness", {"name": "PGD", "steps": 2.5}, "PGD.steps: "),
        ("robustness", {"name": "PGD", "norm": "l7"}, "PGD.norm: "),
        ("penalties", {"name": "Spectral", "alpha": [1]}, "Spectral.alpha: "),
    ],
)
def test_what_does_not_exist_is_an_error_of_the_study(package: str, choice: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError) as caught:
        make(package, Choice(**choice))
    assert says in str(caught.value)


def test_a_value_the_plugin_refuses_keeps_its_own_message() -> None:
    with pytest.raises(InputError, match="PGD needs at least one step"):
        make("robustness", Choice(name="PGD", steps=0))


def test_a_setting_without_default_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Needs(Perturbation):
        def __init__(self, strength: float) -> None:
            self.strength = strength

        run = PGD.run

    import eigencode.robustness as robustness

    monkeypatch.setattr(robustness, "Needs", Needs, raising=False)
    assert make("robustness", Choice(name="Needs", strength=1)).strength == 1
    with pytest.raises(StudyError, match="Needs needs the setting strength"):
        make("robustness", Choice(name="Needs"))
