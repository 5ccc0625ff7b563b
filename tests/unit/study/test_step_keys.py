"""The key of a step: changed by everything that decides the result, and by nothing else."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from fake_steps import Write

from eigencode.study import _fingerprint as code_module
from eigencode.study._catalogue import decisive, make
from eigencode.study._choice import Choice
from eigencode.study._order import ordered
from eigencode.study.config import Local, Ridge, Supervised
from eigencode.study.step import Source, Step
from eigencode.study.steps.data import Data
from eigencode.study.steps.fitted import Fitted
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.measured import Measured
from eigencode.study.steps.network import NetworkStep
from eigencode.study.steps.pruned import Pruned
from eigencode.study.steps.rectified import Rectified
from eigencode.study.steps.trained import Trained

DATA = Data("digits", "aa:bb", "digits", None, None, None)
OTHER = dataclasses.replace(DATA, sha256="cc:dd")
COMMON: dict[str, Any] = {"data": DATA, "seed": 0, "validation": 0.1}
INITIAL = Initial(**COMMON, architecture={"kind": "krotov_hopfield", "units": 10})
LOCAL = LocallyTrained(**COMMON, start=INITIAL, local=Local().settings())
PRUNED = Pruned(**COMMON, start=LOCAL)
RECTIFIED = Rectified(**COMMON, start=PRUNED, n=3.0)
FITTED = Fitted(**COMMON, start=LOCAL, ridge=Ridge().model_dump())
TRAINED = Trained(**COMMON, start=PRUNED, supervised=Supervised().settings())


def measured(kind: str, **settings: Any) -> Measured:
    choice = Choice(name=kind, **settings)
    return Measured(DATA, TRAINED, "latent", 0, decisive(choice, make("measures", choice)))


FGSM = {"attack": {"name": "FGSM"}}
SPECTRUM, CRITICAL, CURVE = measured("spectrum"), measured("critical", **FGSM), measured("curve", **FGSM)
STEPS: list[Step] = [
    INITIAL,
    LOCAL,
    PRUNED,
    RECTIFIED,
    FITTED,
    TRAINED,
    measured("accuracy"),
    SPECTRUM,
    CRITICAL,
    CURVE,
]

CHANGES: dict[str, list[Any]] = {
    "data": [OTHER],
    "seed": [1],
    "validation": [0.2, 0.0],
    "architecture": [{"kind": "krotov_hopfield", "units": 11}, {"kind": "krotov_hopfield", "units": 10, "p": 2.0}],
    "local": [Local(lr=0.03).model_dump(), Local(decay="constant").model_dump(), Local(images=100).model_dump()],
    "ridge": [Ridge(strength=0.1).model_dump(), Ridge(images=100).model_dump(), Ridge(at="fc").model_dump()],
    "supervised": [Supervised(keep="best").model_dump(), Supervised(epochs=7).model_dump()],
    "start": [lambda step: dataclasses.replace(step.start, seed=5)],
    "net": [lambda step: dataclasses.replace(step.net, seed=5)],
    "place": ["encoder"],
    "n": [2.0],
    "measure": [{"name": "certified"}],
    "weights": [],  # the file counts by its content, in `architecture`: test_foreign
    "stop": [3],
    "earlier": [],  # the same state, however it is reached: test_snapshots_of_a_study
}
SETTINGS: dict[str, Any] = {
    "source": "noise",
    "samples": 7,
    "attack": {"name": "FGSM", "norm": "l2"},
    "space": "pixel",
    "images": 9,
    "eps_max": 1.0,
    "tolerance": 0.02,
    "eps": (1e-3, 0.2),
    "points": 6,
    "exhaustive": True,
    "interval": False,
    "scale": "zscore",
    "reduce": "mean",
    "start": "encoder",
}
WITH = {"start": {"source": "noise"}}
"""Other settings without which a setting is refused."""
READ: dict[str, Any] = {"window": (1, 9), "weights": "1/n", "rounding": True, "read": (1e-6,)}
ONE_BY_ONE = [(s, f.name, v) for s in STEPS for f in dataclasses.fields(s) for v in CHANGES[f.name]]


@pytest.mark.parametrize(("step", "field", "value"), ONE_BY_ONE, ids=lambda v: getattr(v, "name", None))
def test_every_field_changes_the_key(step: Step, field: str, value: Any) -> None:
    changed = dataclasses.replace(step, **{field: value(step) if callable(value) else value})
    assert changed.key != step.key
    assert changed.key.partition("-")[0] == (step.name if field != "measure" else "certified")


@pytest.mark.parametrize("step", [SPECTRUM, CRITICAL, CURVE], ids=lambda s: s.name)
def test_settings_of_a_measure_change_the_key_unless_they_only_read_its_record(step: Measured) -> None:
    before = step.measure
    assert {*before} - {"name"} <= {*SETTINGS}
    given = {} if step is SPECTRUM else FGSM
    for name in before.keys() - {"name"}:
        beside = {**given, **WITH.get(name, {})}
        assert measured(step.name, **{**beside, name: SETTINGS[name]}).key != measured(step.name, **beside).key
    for name in type(step.made).reading_only:
        assert measured(step.name, **given, **{name: READ[name]}).key == step.key


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_where_the_data_lies_and_what_it_is_called_do_not(step: Any) -> None:
    moved = dataclasses.replace(DATA, label="elsewhere", name="folder:x", data_dir="/elsewhere", train_images=5)
    assert dataclasses.replace(step, data=moved).key == step.key


def test_test_images_decide_no_training_but_every_measurement() -> None:
    other = dataclasses.replace(DATA, sha256="aa:ee")
    for step in STEPS:
        same = dataclasses.replace(step, data=other).key == step.key  # type: ignore[call-arg]
        assert same == isinstance(step, NetworkStep), step.name


def test_a_change_far_up_the_chain_reaches_the_end() -> None:
    initial = dataclasses.replace(INITIAL, architecture={**INITIAL.architecture, "spread": 0.1})
    pruned = dataclasses.replace(PRUNED, start=dataclasses.replace(LOCAL, start=initial))
    trained = dataclasses.replace(TRAINED, start=pruned)
    assert dataclasses.replace(SPECTRUM, net=trained).key != SPECTRUM.key


def test_code_and_version_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Write("a").key
    assert before == Write("a").key
    monkeypatch.setattr(Write, "version", 2)
    assert Write("a").key != before
    monkeypatch.setattr(Write, "version", 1)
    assert Write("a").key == before
    monkeypatch.setattr(code_module, "fingerprint", lambda modules: "other code")
    assert Write("a").key != before


def test_the_code_of_what_a_step_names_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(code_module, "fingerprint", lambda modules: asked.extend(modules) or "code")
    penalties = ({"name": "Lp", "coefficient": 1.0},)
    plan = Supervised(penalties=penalties, adversarial={"eps": 0.1}).model_dump()  # type: ignore[arg-type]
    keys = [s.key for s in (LocallyTrained(**COMMON, start=INITIAL, local=Local().settings()),)]
    keys += [dataclasses.replace(s).key for s in (TRAINED, CRITICAL, CURVE)]
    keys.append(Trained(**COMMON, start=INITIAL, supervised=plan).key)
    assert len(set(keys)) == 5
    assert {"eigencode.rules.krotov_hopfield", "eigencode.robustness.fgsm", "eigencode.penalties.lp"} <= set(asked)
    assert "eigencode.robustness.pgd" in asked


def test_label_only_fields_do_not_count() -> None:
    assert Write("a", where="here").key == Write("a", where="there").key
    assert "where" not in Write("a").settings()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1, 1.0, True),
        ((1, 2), [1.0, 2.0], True),
        ({"a": 1, "b": 2.0}, {"b": 2, "a": 1.0}, True),
        ({"a": (1,)}, {"a": [1.0]}, True),
        (-0.0, 0, True),
        (1, True, False),
        (1, "1", False),
        (0.1, 0.1 + 1e-16, False),
        (None, 0, False),
        (None, "None", False),
        ([1, [2]], [1, 2], False),
        ({"a": 1}, [["a", 1]], False),
        (float("inf"), 1e308, False),
    ],
)
def test_equal_settings_have_equal_keys(a: Any, b: Any, same: bool) -> None:
    @dataclass(frozen=True)
    class Anything(Write):
        value: Any = None
        name: ClassVar[str] = "anything"

    assert (Anything("x", value=a).key == Anything("x", value=b).key) == same


def test_a_source_counts_by_its_content() -> None:
    @dataclass(frozen=True)
    class Reads(Write):
        source: Source = field(default_factory=lambda: Source("a", "0"))
        name: ClassVar[str] = "reads"

    assert Reads("x", source=Source("b", "0")).key == Reads("x").key
    assert Reads("x", source=Source("a", "1")).key != Reads("x").key


def test_inputs_come_before_what_needs_them_and_once() -> None:
    a, b = Write("a"), Write("b")
    c = Write("c", (a, b))
    d = Write("d", (c, Write("a")))
    found = ordered([d, c, Write("d", (c, a))])
    assert [s.key for s in found] == [a.key, b.key, c.key, d.key]
    assert list(d.inputs()) == [c, a]
