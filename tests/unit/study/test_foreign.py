"""Somebody's own network, rule, penalty, attack and measure in a study have the rights of those inside the package."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from eigencode.base.errors import InputError, StudyError
from eigencode.data import load
from eigencode.models.factory import build
from eigencode.study import Store, _fingerprint as code, execute, plan, rows
from eigencode.study.config import Model
from eigencode.study.plan import Cell
from eigencode.study.read import study

OWN = '''
"""Plugins of somebody."""
from dataclasses import dataclass

import torch
from torch import nn

from eigencode.measures import AccuracyMeasure
from eigencode.penalties import Penalty
from eigencode.robustness import FGSM
from eigencode.rules import KrotovHopfield

import helpers_of_mine


def small(width=6, depth=2):
    sizes = [64, *(depth * [width])]
    layers = [m for a, b in zip(sizes, sizes[1:]) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, 10))


class Rule(KrotovHopfield):
    pass


class Large(Penalty):
    def __init__(self):
        super().__init__(None)

    def value(self, batch):
        return sum(p.square().sum() for p in batch.net.parameters())


@dataclass(frozen=True)
class Attack(FGSM):
    pass


@dataclass(frozen=True)
class Errors(AccuracyMeasure):
    kind = "errors"

    def label(self):
        return "errors"

    def readings(self, record):
        (found,) = super().readings(record)
        yield type(found)("", helpers_of_mine.ONE - found.value, convention="share of wrong answers")


NUMBER = 3
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_plugins.py").write_text(OWN, "utf-8")
    (tmp_path / "helpers_of_mine.py").write_text("ONE = 1\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "own_plugins.py"


def asked() -> dict[str, object]:
    taught = {"epochs": 1, "batch_size": 100, "penalties": [{"name": "own_plugins:Large", "coefficient": 0.1}]}
    local = {"rule": {"name": "own_plugins:Rule", "delta": 0.3}, "epochs": 1, "batch_size": 100}
    mine = {"factory": "own_plugins:small", "settings": {"width": 7}, "supervised": taught}
    return {
        "name": "mine",
        "data": "digits",
        "train_images": 200,
        "test_images": 60,
        "models": {
            "MINE": mine,
            "KH": {"recipe": "KH", "units": 8, "local": local, "prune": False, "supervised": None},
        },
        "measure": [
            {"kind": "own_plugins:Errors"},
            {"kind": "jacobian", "space": "pixel", "at": ["2", "latent", "logits"], "images": 20},
            {"kind": "spectrum", "name": "α", "at": "[1-4]", "window": [1, 4]},
        ],
        "critical": [{"attack": {"name": "own_plugins:Attack"}, "space": "pixel", "images": 10}],
    }


@pytest.mark.usefixtures("unchecked", "own")
@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
def test_everything_may_come_from_outside(tmp_path: Path) -> None:
    chosen = study(asked())
    cells, store = plan(chosen), Store(tmp_path / "store")
    outcome = execute([c.step for c in cells], store)
    assert outcome.ok, outcome.failed
    found = {(r.model, r.quantity): r for r in rows(chosen, cells, store)}
    for model in ("MINE", "KH"):
        assert found[model, "errors"].value == pytest.approx(1 - found[model, "test accuracy"].value)
        assert (model, "critical size, Attack") in found
    assert {q for m, q in found if q.startswith("Jacobian") and m == "MINE" and "," not in q[15:]} == {
        "Jacobian norm, 2",
        "Jacobian norm, logits",
    }, "each network is measured at the places it has"
    assert ("KH", "Jacobian norm, latent") in found
    assert {q for m, q in found if m == "MINE" and q.startswith("α") and q.count(",") == 1} == {
        "α, 1",
        "α, 2",
        "α, 3",
        "α, 4",
    }


def keys() -> dict[tuple[str, str], str]:
    for cached in (code.fingerprint, code._read, code._path, code._top_level):
        cached.cache_clear()
    return {(c.model, c.quantity): c.step.key for c in plan(study(asked()))}


def test_its_source_is_part_of_the_key(own: Path) -> None:
    before = keys()
    own.write_text(OWN.replace('"""Plugins of somebody."""', '"""Reworded."""  # and a comment'), "utf-8")
    assert keys() == before
    own.write_text(OWN.replace("NUMBER = 3", "NUMBER = 4"), "utf-8")
    after = keys()
    assert {name for name in before if before[name] == after[name]} == {("data", f"α, {i}") for i in range(1, 5)}
    (own.parent / "helpers_of_mine.py").write_text("ONE = 1.5\n", "utf-8")
    assert {name for name, key in keys().items() if after[name] == key} == {("data", f"α, {i}") for i in range(1, 5)}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"measure": [{"kind": "own_plugins:Rule"}]}, r"own_plugins:Rule cannot be used here[\s\S]*Measure"),
        ({"measure": [{"kind": "own_plugins:Erors"}]}, "did you mean 'Errors'"),
        ({"measure": [{"kind": "own_plugin:Errors"}]}, "there is no module own_plugin"),
        ({"measure": [{"kind": "own_plugins:Errors", "at": ["2"]}]}, r"measure.0.at: this measure takes no place"),
        ({"measure": [{"kind": "jacobian", "at": ["layer*"]}]}, r"measure.0.at: no network has it"),
        ({"measure": [{"kind": "jacobian", "image": 3}]}, r"unknown key measure.0.image[\s\S]*'images'"),
        ({"measure": [{"kind": "jacobain"}]}, "did you mean 'Jacobian'"),
        ({"models": {"MINE": {"factory": "own_plugins:small", "units": 7}}}, "own_plugins:small has no such setting"),
        (
            {"models": {"MINE": {"factory": "own_plugins:small", "settings": {"wide": 7}}}},
            "does not take these settings",
        ),
        ({"models": {"MINE": {"factory": "own_plugins:small", "local": {}}}}, "local training of a network without"),
        ({"models": {"MINE": {"factory": "own_plugins:small", "weights": "a.pt"}}}, "no such file of weights"),
        ({"models": {"MINE": {"weights": "a.pt"}}}, "weights of a built-in network are trained, not read"),
        ({"models": {"MINE": {"settings": {"width": 7}}}}, "a perceptron network has no `settings`"),
    ],
)
def test_mistakes_are_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises((StudyError, InputError), match=says):
        plan(study({**asked(), "critical": [], "measure": [], **changes}))


def test_a_recipe_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_recipes.py").write_text(
        'SMALL = {"kind": "perceptron", "units": 7, "supervised": {"epochs": 2, "lr": 0.01}}\nlist_ = [1]\n'
    )
    monkeypatch.syspath_prepend(tmp_path)

    def of(recipe: str) -> Model:
        return study({"name": "s", "models": {"A": {"recipe": recipe, "supervised": {"epochs": 3}}}}).models["A"]

    made = of("my_recipes:SMALL")
    assert (made.units, made.supervised.epochs, made.supervised.lr) == (7, 3, 0.01)
    with pytest.raises(StudyError, match=r"models\.A\.recipe is not a dictionary"):
        of("my_recipes:list_")
    with pytest.raises(InputError, match=r"(?s)my_recipes has no SMALLER.*did you mean 'SMALL'"):
        of("my_recipes:SMALLER")


@pytest.mark.usefixtures("unchecked", "own")
def test_a_trained_network_enters_with_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its accuracy is that of the network with these weights; the file counts by its content, not by its name."""
    monkeypatch.chdir(tmp_path)
    net = build("own_plugins:small", {"width": 7})
    with torch.no_grad():
        for i, value in enumerate(net.state_dict().values()):
            value.normal_(0, 0.3, generator=torch.Generator().manual_seed(i))
    torch.save({"state_dict": net.state_dict()}, "best.pt")
    shutil.copy("best.pt", "copy.pt")

    def cells(weights: str) -> list[Cell]:
        model = {"factory": "own_plugins:small", "settings": {"width": 7}, "weights": weights}
        return plan(study({"name": "x", "data": "digits", "test_images": 60, "models": {"MINE": model}, "measure": []}))

    chosen, store = cells("best.pt"), Store(tmp_path / "store")
    assert [c.step.key for c in cells("copy.pt")] == [c.step.key for c in chosen]
    assert execute([c.step for c in chosen], store).ok
    cell = next(c for c in chosen if c.quantity == "test accuracy")
    _, test = load("digits")
    right = (net(test.x[:60]).argmax(1) == test.y[:60]).double().mean()
    assert cell.measure.record.load(store.folder(cell.step)).value == pytest.approx(float(right))
    torch.save(build("own_plugins:small", {"width": 7}).state_dict(), "best.pt")
    assert [c.step.key for c in cells("best.pt")] != [c.step.key for c in chosen]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    "asked",
    [
        {"critical": [{"attack": {"name": "FGSM"}}]},
        {"curves": [{"attack": {"name": "FGSM"}, "eps": [0.01, 0.1], "points": 2}]},
        {"measure": [{"kind": "jacobian", "at": ["logits"]}]},
        {"measure": [{"kind": "margin"}]},
    ],
    ids=["critical", "curve", "jacobian", "margin"],
)
def test_unit_space_of_a_network_without_one_is_told_before_it_is_trained(
    asked: dict[str, list[dict[str, Any]]],
) -> None:
    models = {"MINE": {"factory": "own_plugins:small"}}
    with pytest.raises(StudyError, match=r"models\.MINE has no unit space[\s\S]*space = \"pixel\""):
        plan(study({"name": "x", "data": "digits", "models": models, **asked}))
    pixels = {table: [{**entries[0], "space": "pixel"}] for table, entries in asked.items()}
    assert plan(study({"name": "x", "data": "digits", "models": models, **pixels}))
