"""`--set key=value`: values of every type, at every depth, and no silent misses."""

from typing import Any

import pytest

from eigencode.base.errors import StudyError
from eigencode.study.read import study

SOURCE: dict[str, Any] = {
    "name": "x",
    "title": "old",
    "models": {"KH": {"recipe": "KH", "units": 10}, "a.b": {"recipe": "BP"}},
    "critical": [{"attack": {"name": "PGD", "steps": 5}}, {"attack": {"name": "FGSM"}}],
}


def after(*overrides: str) -> Any:
    source = {**SOURCE, "models": {k: dict(v) for k, v in SOURCE["models"].items()}}
    source["critical"] = [{"attack": dict(c["attack"])} for c in SOURCE["critical"]]
    return study(source, overrides)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("seeds=[0, 1,2]", lambda s: s.seeds == (0, 1, 2)),
        ("models.KH.units=200", lambda s: s.models["KH"].units == 200),
        (" models.KH.units = 200 ", lambda s: s.models["KH"].units == 200),
        ("models.KH.local.lr=1e-3", lambda s: s.models["KH"].local.lr == 1e-3),
        ("models.KH.local.epochs=7", lambda s: s.models["KH"].local.epochs == 7),
        ("models.KH.local.rule.k=7", lambda s: s.models["KH"].local.rule.settings() == {"k": 7, "delta": 0.4}),
        ("models.KH.prune=false", lambda s: s.models["KH"].prune is False),
        ("models.KH.recipe=BP", lambda s: s.models["KH"].kind == "perceptron"),
        ('models."a.b".units=30', lambda s: s.models["a.b"].units == 30),
        ('models."a=b"={recipe="BP"}', lambda s: "a=b" in s.models),
        ('models.New={recipe="BP"}', lambda s: "New" in s.models and s.models["New"].supervised is not None),
        ("data=digits", lambda s: s.datasets == ("digits",)),
        ('data="digits"', lambda s: s.datasets == ("digits",)),
        ('data=["digits", "mnist5k"]', lambda s: s.datasets == ("digits", "mnist5k")),
        ("data=folder:a=b", lambda s: s.datasets == ("folder:a=b",)),
        ("title=", lambda s: s.title == ""),
        ("title=two words", lambda s: s.title == "two words"),
        ("critical.0.attack.steps=9", lambda s: s.critical[0].attack == {"name": "PGD", "steps": 9}),
        ("critical.1.tolerance=0.1", lambda s: s.critical[1].settings().get("tolerance") == 0.1),
        ('critical.1={attack={name="DDN"}}', lambda s: s.critical[1].attack["name"] == "DDN"),
        ("spectra=[{}]", lambda s: len(s.spectra) == 1),
    ],
)
def test_a_value_reaches_its_key(override: str, value: Any) -> None:
    assert not value(after())
    assert value(after(override))


def test_the_last_override_wins() -> None:
    assert after("models.KH.units=200", "models.KH.units=300").models["KH"].units == 300


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seeds", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("models..units=3", "not of the form key=value"),
        (".seeds=3", "not of the form key=value"),
        ("seeds.=3", "not of the form key=value"),
        ("sedes=[0]", "unknown key sedes"),
        ("models.KH.untis=3", "unknown key models.KH.untis"),
        ("models.KX.units=3", "the study has no model KX"),
        ("models.KH.units.more=3", "goes through units, which has no keys"),
        ("models.KH.recipe.a.b=3", "goes through recipe, which has no keys"),
        ("name.x=1", "goes through name, which has no keys"),
        ("critical.2.tolerance=0.1", "names no entry of a list"),
        ("critical.2={}", "a number from 0 to 1"),
        ("critical.-1.tolerance=0.1", "names no entry of a list"),
        ("critical.first.tolerance=0.1", "names no entry of a list"),
        ("critical.²={}", "names no entry of a list"),
        ("critical.tolerance=0.1", "names no entry of a list"),
        ("critical.0.attack.name.x=0.1", "goes through name, which has no keys"),
        ("seeds=[0", "seeds: "),
        ("models.KH.units=2O0", "models.KH.units: "),
        ("models=3", "the study names no models"),
    ],
)
def test_an_override_that_misses_is_an_error(override: str, says: str) -> None:
    with pytest.raises(StudyError) as caught:
        after(override)
    assert says in str(caught.value)


def test_the_nearest_model_is_offered() -> None:
    with pytest.raises(StudyError, match="did you mean 'KH'"):
        after("models.KK.units=3")
