"""SoftHebb networks in studies: their settings are checked, their places known, and how they were made is told."""

from typing import Any

import pytest
import torch

from eigencode.base.errors import StudyError
from eigencode.base.types import Images
from eigencode.report._models import described
from eigencode.study._architecture import architecture, places, units_at
from eigencode.study.config import Model
from eigencode.study.plan import plan
from eigencode.study.read import study
from eigencode.study.steps.local import LocallyTrained

IMAGES = Images(torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 2, 1]))


def made(**model: Any) -> Any:
    return study({"name": "deep", "data": "digits", "models": {"soft": model}})


def test_the_places_are_those_of_every_block() -> None:
    model = Model(kind="softhebb", settings={"depth": 2, "width": 8})
    first, second = ([f"{n}{i}" for n in ("norm", "conv", "centred", "triangle", "pool")] for i in (1, 2))
    first.remove("centred1")
    assert places(model) == ("input", *first, *second[:-1], "latent", "readout", "logits")
    assert units_at(model, "pool1", IMAGES) == 8 * 16 * 16
    assert units_at(model, "latent", IMAGES) == 32 * 8 * 8


def test_settings_are_the_arguments_of_the_builder() -> None:
    model = Model(kind="softhebb", settings={"depth": 1, "competition": "hard"})
    assert architecture(model) == {"kind": "softhebb", "depth": 1, "competition": "hard"}


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            {"kind": "softhebb", "settings": {"widht": 3}},
            r"models.soft.settings: models.softhebb has no widht(?s:.*)'width'",
        ),
        ({"kind": "softhebb", "settings": {"depth": 9}}, r"models.soft.settings: softhebb: depth(?s:.*)1 to 5"),
        ({"kind": "softhebb", "settings": {"width": "wide"}}, r"models.soft.settings(?s:.*)width"),
        ({"kind": "softhebb", "units": 7}, "a softhebb network has no such setting"),
        ({"kind": "softhebb", "settings": {"local": False}, "local": {}}, "without local layers"),
        ({"kind": "softhebb", "local": {}, "prune": True}, "nothing to prune"),
        ({"kind": "softhebb", "local": {"rule": {"name": "KrotovHopfield"}}}, r"models.soft.local.rule"),
        ({"recipe": "SoftHebb", "local": {"rule": {"name": "SoftHebb", "start": 3.0}}}, "disagree on start"),
    ],
)
def test_mistakes_are_found_before_anything_runs(model: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        plan(made(**model))


def test_every_layer_learns_by_its_own_rule_unless_the_study_names_one() -> None:
    steps = [s for cell in plan(made(recipe="SoftHebb", settings={"depth": 1})) for s in cell.made_by()]
    (step,) = {s.key: s for s in steps if isinstance(s, LocallyTrained)}.values()
    assert step.rule is None
    assert "eigencode.rules.softhebb" in step.uses()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            {"recipe": "SoftHebb", "settings": {"depth": 2, "width": 8}},
            "SoftHebb rule (soft winner-takes-all), only its",
        ),
        ({"recipe": "SoftHebb-hard"}, "hidden layers trained by the local hard winner-takes-all rule"),
        ({"recipe": "SoftHebb", "settings": {"depth": 2, "width": 8}}, "convolutions of 8, 32 units"),
        ({"recipe": "SoftHebb-MNIST"}, "2000 hidden units"),
        ({"recipe": "SoftHebb-BP", "settings": {"departures": ["published twin"]}}, "departures: published twin"),
    ],
)
def test_how_a_network_was_made_is_told(model: dict[str, Any], told: str) -> None:
    assert told in described(made(**model).models["soft"].model_dump())
