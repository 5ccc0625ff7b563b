"""From a study to its cells: all of them, in order, with everything checked before anything runs."""

from pathlib import Path
from typing import Any

import pytest
from tiny import write

from eigencode.base.errors import DataError, InputError, StudyError
from eigencode.study import Step, Study, plan, read_study
from eigencode.study._order import ordered
from eigencode.study.read import study as from_dict
from eigencode.study.steps.initial import Initial
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.measured import Measured
from eigencode.study.steps.pruned import Pruned
from eigencode.study.steps.trained import Trained


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return read_study(write(tmp_path_factory.mktemp("plan")))


def small(**changes: Any) -> Study:
    return from_dict({"name": "x", "data": "digits", "models": {"A": {"units": 5}}, **changes})


def test_every_combination_is_one_cell(tiny: Study) -> None:
    cells = plan(tiny)
    of_models = {(c.model, c.seed, c.quantity) for c in cells if c.model != "data"}
    quantities = ["test accuracy", "α images", "α noise", "critical size, noise", "critical size, FGSM", "FGSM"]
    of_units = ["units converged", "units kept", "α images, raw", "α noise, raw"]
    assert of_models == {
        (m, s, q) for m in ("Init", "KH", "BP") for s in (0, 1) for q in [*quantities, *(of_units if m == "KH" else [])]
    }
    of_data = [(c.seed, c.quantity) for c in cells if c.model == "data"]
    assert of_data == [(0, "α images"), (0, "α noise"), (1, "α images"), (1, "α noise")]
    assert len(cells) == len({(c.model, c.seed, c.quantity) for c in cells}) == 48
    assert {c.data for c in cells} == {"digits"}


def test_the_chains_of_steps(tiny: Study) -> None:
    chains = {c.model: [type(s) for s in c.made_by()] for c in plan(tiny) if c.kind in ("spectrum", "accuracy")}
    assert chains == {
        "data": [],
        "Init": [Initial],
        "KH": [Trained, Pruned, LocallyTrained, Initial],
        "BP": [Trained, Initial],
    }


def test_equal_work_is_one_step(tiny: Study) -> None:
    cells = plan(tiny)
    init = {c.made_by()[-1].key for c in cells if c.model in ("Init", "BP") and c.seed == 0}
    assert len(init) == 1, "BP starts from the network that Init measures"
    assert (
        len(ordered([c.step for c in cells])) == 3 + 2 * (3 * 6) + 2 * 6 + 2 * 3
    )  # the data's images once and its noise twice; the units of KH, and its two spectra before pruning


def test_seeds_reach_every_step(tiny: Study) -> None:
    def key(cell: Any) -> tuple[str, str]:
        return cell.model, cell.quantity

    first, second = ({key(c): c.step.key for c in plan(tiny) if c.seed == seed} for seed in (0, 1))
    assert first.keys() == second.keys()
    assert {k for k in first if first[k] == second[k]} == {("data", "α images")}, "every seed measures these images"
    assert len({*first.values(), *second.values()}) == 2 * len(first) - 1


def test_a_new_measurement_changes_no_other_step(tiny: Study) -> None:
    before = {s.key for s in ordered([c.step for c in plan(tiny)])}
    spectra = (*tiny.spectra, tiny.spectra[0].model_copy(update={"name": "more", "at": ("encoder",)}))
    after = {s.key for s in ordered([c.step for c in plan(tiny.model_copy(update={"spectra": spectra}))])}
    assert before < after
    assert {k.partition("-")[0] for k in after - before} == {"spectrum"}


def test_the_window_of_a_fit_is_no_step(tiny: Study) -> None:
    changed = tuple(s.model_copy(update={"window": (1, 5), "weights": "1/n"}) for s in tiny.spectra)
    other = tiny.model_copy(update={"spectra": changed, "title": "Another title", "receptive_fields": 0})
    assert [c.step.key for c in plan(other)] == [c.step.key for c in plan(tiny)]


def test_labels_of_models_and_measurements_are_no_step(tiny: Study) -> None:
    models = {f"my {label}": model for label, model in tiny.models.items()}
    assert [c.step.key for c in plan(tiny.model_copy(update={"models": models}))] == [c.step.key for c in plan(tiny)]


def test_where_a_folder_of_images_lies_is_no_step(tmp_path: Path) -> None:
    from PIL import Image

    for root in ("here", "there"):
        for label in ("cat", "dog"):
            folder = tmp_path / root / "set" / label
            folder.mkdir(parents=True)
            for i in range(10):
                Image.new("L", (4, 4), 20 * i + (5 if label == "cat" else 9)).save(folder / f"{i}.png")
    study = small(data="folder:set", spectra=[{"window": [1, 5]}])
    keys = [[c.step.key for c in plan(study, tmp_path / root)] for root in ("here", "there")]
    assert keys[0] == keys[1]
    Image.new("L", (4, 4), 77).save(tmp_path / "there" / "set" / "cat" / "0.png")
    from eigencode.study.steps import data

    data._load.cache_clear()
    changed = [c.step.key for c in plan(study, tmp_path / "there")]
    assert not set(changed) & set(keys[0])


def test_the_seed_counts_only_where_something_is_random() -> None:
    cells = plan(small(spectra=[{"window": [1, 5]}], seeds=[3]))
    steps: list[Step] = [c.step for c in cells]
    assert [s.seed for s in steps if isinstance(s, Measured) and s.name == "spectrum"] == [3, 3]


FGSM = {"attack": {"name": "FGSM"}}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"models": {"data": {"units": 5}}}, "may not be called 'data'"),
    ({"models": {"A": {"units": 5, "local": {}}}}, "local training of a network without local layers"),
    ({"models": {"A": {"units": 5, "prune": True}}}, "nothing to prune"),
    ({"models": {"A": {"units": 5, "p": 2.0}}}, "models.A: a perceptron network has no such setting"),
    ({"models": {"A": {"recipe": "KH", "batch_norm": True}}}, "models.A: a krotov_hopfield network has no such"),
    ({"models": {"A": {"recipe": "KH", "local": {"rule": {"name": "Ojaa"}}}}}, "unknown name in rules"),
    ({"models": {"A": {"recipe": "KH", "local": {"rule": {"kk": 1}}}}}, "KrotovHopfield has no setting kk"),
    ({"models": {"A": {"supervised": {"penalties": [{"name": "L3", "coefficient": 1}]}}}}, "unknown name in penalties"),
    ({"models": {"A": {"supervised": {"penalties": [{"name": "Lp", "coefficient": 1, "q": 2}]}}}}, "no setting q"),
    ({"models": {"A": {"supervised": {"adversarial": {"eps": 1, "attack": {"name": "DDN"}}}}}}, "trained against"),
    ({"critical": [{"attack": {"name": "Curve"}}]}, "unknown name in robustness"),
    ({"critical": [{"attack": {"name": "PGD", "steps": "x"}}]}, "PGD.steps"),
    ({"curves": [{"attack": {"name": "PDG"}}]}, "did you mean 'PGD'"),
    ({"spectra": [{"place": "latnt"}]}, "did you mean 'latent'"),
    ({"seeds": []}, "the study has no seeds"),
    ({"seeds": [1, 2, 1]}, "the same name twice among the seeds"),
    ({"data": []}, "the study has no data"),
    ({"data": ["digits", "digits"]}, "the same name twice among the data"),
    ({"spectra": [{}, {"window": [1, 9]}]}, "the same name twice among the quantities"),
    ({"spectra": [{"name": "test accuracy"}]}, "the same name twice among the quantities"),
    ({"curves": [FGSM, {"attack": {"name": "FGSM", "norm": "l2"}}]}, "accuracy, FGSM"),
    ({"critical": [{**FGSM, "name": "same"}], "curves": [{**FGSM, "name": "same"}]}, "got:    same"),
]


@pytest.mark.parametrize(("changes", "says"), BAD, ids=[b[1] for b in BAD])
def test_mistakes_are_found_before_anything_runs(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError) as caught:
        plan(small(**changes))
    assert says in str(caught.value)


def test_a_schedule_that_does_not_fit_is_found_too() -> None:
    schedule = {"kind": "piecewise", "boundaries": [3], "factors": [1.0]}
    with pytest.raises(InputError, match="boundaries and factors do not fit"):
        plan(small(models={"A": {"supervised": {"schedule": schedule}}}))


def test_data_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        plan(small(data="cifar10"), tmp_path)
    with pytest.raises(InputError, match="unknown data set"):
        plan(small(data="digitz"))


def test_a_network_without_a_certificate_has_no_certified_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import torch, eigencode as ec\n\n\ndef perceptron():\n"
    code += "    return ec.models.perceptron(ec.Images(torch.rand(2, 1, 8, 8), torch.tensor([0, 1])), units=5)\n"
    (tmp_path / "fixed_shape.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    stack = {"kind": "softhebb", "settings": {"depth": 1, "width": 2}}
    mine = {"factory": "fixed_shape:perceptron"}  # which takes no image of another shape
    models = {"relu": {"units": 5}, "mine": mine, "tanh": {"units": 5, "activation": "tanh"}, "stack": stack}
    certified = {"certified": [{"name": "proved"}]}
    cells = plan(small(models=models, **certified))
    assert {c.model for c in cells if c.name == "proved"} == {"relu", "mine"}
    assert {c.model for c in cells if c.quantity == "test accuracy"} == set(models)
    del models["relu"], models["mine"]
    with pytest.raises(StudyError, match=r"certified\.0: this measure is defined for no network here"):
        small(models=models, **certified)
