"""The line about a model says how it was made, and nothing else."""

from typing import Any

import pytest

from eigencode.paper._recipes import RECIPES
from eigencode.report._models import described, explained, terms

LOCAL: dict[str, Any] = {"rule": {"name": "KrotovHopfield"}}
GRADIENT: dict[str, Any] = {"parameters": "all", "penalties": [], "adversarial": None}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"units": 7}, "untrained, random weights; 7 hidden units"),
        (
            {"local": LOCAL, "supervised": {**GRADIENT, "parameters": "readout"}},
            "hidden layer trained by the local Krotov–Hopfield rule (units compete, no labels), only its read-out by "
            "gradient descent; ? hidden units",
        ),
        ({"local": {"rule": {"name": "my:Rule"}}}, "hidden layer trained by the local rule my:Rule; ? hidden units"),
        (
            {"supervised": {**GRADIENT, "penalties": [{"name": "Jacobian"}, {"name": "mine:P"}]}, "batch_norm": True},
            "trained by backpropagation, with a penalty on its Jacobian norm and the penalty mine:P; ? hidden units; "
            "batch normalisation",
        ),
        (
            {"supervised": {**GRADIENT, "adversarial": {"attack": {"name": "PGD"}, "eps": 0.005}}, "factory": "a:b"},
            "trained by backpropagation, on images attacked by PGD (ε = 0.005); a:b",
        ),
        ({"published": ["D17"]}, "untrained, random weights; ? hidden units; as published: D17"),
        ({"units": 9, "readout_n": 10.0}, "untrained, random weights; 9 hidden units; read out behind relu^10"),
        ({}, ""),
    ],
)
def test_a_model_in_one_line(model: dict[str, Any], said: str) -> None:
    assert described(model) == said


def test_no_two_kinds_of_training_sound_alike_and_no_penalty_is_forgotten() -> None:
    lines = {name: described(recipe) for name, recipe in RECIPES.items()}
    alike = {name for name, line in lines.items() if list(lines.values()).count(line) > 1}
    assert alike <= {"SpecReg", "SpecReg-KH"}  # two strengths of one penalty
    penalised = [name for name, recipe in RECIPES.items() if (recipe.get("supervised") or {}).get("penalties")]
    assert len(penalised) >= 5
    for name in penalised:
        assert "with a penalty on" in lines[name], "the name of a class instead of words"


def test_a_network_that_was_given_has_no_line() -> None:
    assert explained({"study": {"models": {"mine": {}, "A": {"units": 3}}}}) == {
        "A": "untrained, random weights; 3 hidden units"
    }


def test_the_row_of_the_data_has_a_line() -> None:
    rows = [{"model": "data"}, {"model": "A"}]
    said = explained({"study": {"models": {"A": {"units": 3}}}, "rows": rows})
    assert said["data"] == "the images themselves, without a network"


def test_terms_are_explained_where_they_are_used() -> None:
    def results(quantity: str, convention: str) -> dict[str, Any]:
        return {"headline": [quantity], "summary": [{"quantity": quantity, "convention": convention}]}

    assert list(terms([results("critical size, PGD", "median L2, unit space")])) == ["critical size", "unit space"]
    assert list(terms([results("α images", "ranks 5..50"), results("α noise", "pixel space")])) == ["α", "pixel space"]
    assert terms([results("test accuracy", "share of 10 test images")]) == {}
