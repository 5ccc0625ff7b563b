"""Some of the models of a study: same steps, and no claim about what is not there."""

from pathlib import Path

import pytest

from eigencode.base.errors import StudyError
from eigencode.study import part, plan, read_study
from eigencode.study._checks import check
from eigencode.study._measurements import headline, names
from eigencode.study.plan import check_sizes
from eigencode.study.read import study

STUDIES = Path(__file__).parents[3] / "studies"


def test_its_steps_are_those_of_the_whole() -> None:
    whole = read_study(STUDIES / "demo.toml")
    cells = plan(part(whole, ["KH"]))
    assert {c.model for c in cells} == {"KH", "data"}
    keys = {c.step.key for c in plan(whole) if c.model in ("KH", "data")}
    assert {c.step.key for c in cells} == keys


@pytest.mark.parametrize("name", ["paper_brisk", "paper_corrected", "paper_published"])
def test_claims_and_deviations_about_others_are_left_out(name: str) -> None:
    whole = read_study(STUDIES / f"{name}.toml")
    some = part(whole, ["BP", "KH"])
    assert list(some.models) == ["KH", "BP"]  # in the order of the study
    check(some)  # nothing in it speaks of what is not there
    said = [c for c in whole.claims if {c.model, c.other, *c.order} - {None, ""} <= {"KH", "BP", "data"}]
    assert [c.statement for c in some.claims] == [c.statement for c in said]
    assert 0 < len(some.claims) < len(whole.claims)
    assert all({d.model, d.as_published[0]} <= {"KH", "BP"} for d in some.deviations)
    every = part(whole, list(whole.models))
    assert every == whole


def test_an_unknown_model_is_named() -> None:
    whole = read_study(STUDIES / "demo.toml")
    with pytest.raises(StudyError, match=r"no model KHH[\s\S]*KH"):
        part(whole, ["KHH"])
    with pytest.raises(StudyError, match="no model is left"):
        part(whole, [])


def test_numbers_are_called_as_in_the_whole_study_and_places_of_models_left_out_are_not_measured() -> None:
    whole = read_study(STUDIES / "softhebb_cifar10.toml", ["data=digits"])
    shallow = [name for name in whole.models if name.endswith("1 layer")]
    some = part(part(whole, [*shallow, "soft, 2 layers"]), shallow)
    assert names(some) == names(whole)
    cells, all_cells = plan(some), plan(whole)
    assert {c.step.key for c in cells} == {c.step.key for c in all_cells if c.model in shallow}
    assert not {"α images, pool1", "α images, pool2"} & {c.name for c in cells}
    assert "α images, latent" in {c.name for c in cells}
    check_sizes(some)  # the wide window fits a network of the whole study


@pytest.mark.parametrize("name", ["residual", "BP 250"])
def test_the_table_of_a_part_has_a_column_for_every_number_of_its_networks_and_no_other(name: str) -> None:
    some = part(read_study(STUDIES / "alpha_buys.toml", ["data=digits", "train_images=900", "test_images=359"]), [name])
    found = {c.name for c in plan(some) if c.model == name}
    assert set(headline(some)) == found
    assert ("certified size, L2" in found) is (name == "BP 250")


def test_moments_of_models_left_out_are_no_mistake() -> None:
    one = 'models.A={"kind"="perceptron","units"=20,"supervised"={"epochs"=4,"snapshots"=[2]}}'
    models = [one, 'models.B={"kind"="perceptron","units"=20,"supervised"={"epochs"=4,"snapshots"=[3]}}']
    whole = study(
        {
            "name": "moments",
            "data": "digits",
            "models": {},
            "measure": [{"kind": "jacobian", "name": "Jacobian norm", "at": "latent", "when": [2]}],
        },
        models,
    )
    assert {c.epoch for c in plan(whole) if c.name == "Jacobian norm"} == {None, 2}
    assert {c.epoch for c in plan(part(whole, ["B"])) if c.name == "Jacobian norm"} == {None}
