"""A study follows its networks while they learn: what is measured when, on which network, and what follows from it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import eigencode as ec
from eigencode.base.errors import StudyError
from eigencode.models import load
from eigencode.study import Cell, Row, Store, Study, execute, part, plan, rows
from eigencode.study._claims import verdicts
from eigencode.study._course import COURSE, course, half_way
from eigencode.study._measurements import names
from eigencode.study._paired import margin
from eigencode.study.read import study
from eigencode.study.results import summarise
from eigencode.study.steps.fitted import Fitted
from eigencode.study.steps.local import LocallyTrained
from eigencode.study.steps.network import WEIGHTS
from eigencode.study.steps.trained import Trained
from eigencode.training._saves import Saves

LOCAL = {"epochs": 3, "batch_size": 50, "snapshots": "log:6"}
READOUT = {"parameters": "readout", "epochs": 2, "batch_size": 50}
KH = {"kind": "krotov_hopfield", "units": 12, "n": 1.0, "local": LOCAL, "supervised": READOUT}
BP = {"units": 12, "supervised": {"epochs": 4, "batch_size": 60, "snapshots": [0, 1 / 3, 1.0, 2.0]}}
HALF = {"statement": "α before the norms", "quantity": "α, half way", "model": "KH", "comparison": "<"}
RAW: dict[str, Any] = {
    **{"name": "x", "data": "digits", "train_images": 200, "test_images": 60, "validation": 0.1, "seeds": [0, 1]},
    "models": {"KH": KH, "BP": BP, "Init": {"units": 12}},
    "spectra": [{"name": "α", "window": [2, 8], "when": "snapshots"}],
    "critical": [{"name": "size", "attack": {"name": "FGSM"}, "images": 10, "when": [0, 1]}],
    "measure": [{"kind": "accuracy", "when": "snapshots"}, {"kind": "jacobian", "images": 5}],
    "claims": [{**HALF, "other": "KH", "other_quantity": "units median norm, half way"}],
}
STEPS = {"KH": (0, 1, 2, 3, 5, 8, 12), "BP": (0, 1, 3, 6, 12)}
"""180 images: 4 batches of 50 in each of 3 epochs, and 3 of 60 in each of 4."""

Run = tuple[Study, list[Cell], Store, list[Row]]


def made(**changes: Any) -> Study:
    return study({**RAW, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    chosen, store = made(), Store(tmp_path_factory.mktemp("in time"))
    cells = plan(chosen)
    assert execute([c.step for c in cells], store).ok
    return chosen, cells, store, rows(chosen, cells, store)


def chosen(found: list[Row], model: str, quantity: str, seed: int = 0) -> dict[int | None, Row]:
    return {r.step: r for r in found if (r.model, r.quantity, r.seed) == (model, quantity, seed)}


def test_what_is_measured_when(run: Run) -> None:
    _, cells, _, found = run
    for model, per_epoch in (("KH", 4), ("BP", 3)):
        for quantity in ("α", "test accuracy"):
            seen = chosen(found, model, quantity)
            assert sorted(s for s in seen if s is not None) == list(STEPS[model])
            assert None in seen
            assert all(r.epoch == pytest.approx(s / per_epoch) for s, r in seen.items() if s is not None)
    assert set(chosen(found, "KH", "size")) == {None, 0}
    assert set(chosen(found, "BP", "size")) == {None, 0, 3}
    assert set(chosen(found, "KH", "units converged")) == {None, *STEPS["KH"]}
    assert set(chosen(found, "KH", "units winning")) == {None, *STEPS["KH"][1:]}
    assert all(r.epoch is None for r in found if r.model in ("Init", "data") or "Jacobian" in r.quantity)
    assert {c.epoch for c in cells if c.model == "Init"} == {None}


def test_only_what_needs_logits_has_a_read_out_trained_on_every_snapshot(run: Run) -> None:
    """One read-out per snapshot of local training, those of α none; and no training of a finished network more."""
    _, cells, _, _ = run
    mine = [c for c in cells if (c.model, c.seed) == ("KH", 0) and c.epoch is not None]
    assert {type(c.network) for c in mine if c.name in ("α", "units")} == {LocallyTrained}
    assert {type(c.network) for c in mine if c.name in ("test accuracy", "size")} == {Trained}
    assert len({c.network.key for c in mine if isinstance(c.network, Trained)}) == len(STEPS["KH"])
    (end,) = (c for c in cells if (c.model, c.seed, c.name, c.epoch) == ("KH", 0, "test accuracy", None))
    (last,) = (c for c in mine if c.name == "test accuracy" and c.at_step == 12)
    assert last.step.key == end.step.key


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
def test_numbers_of_snapshots_are_those_of_a_training_that_stops_there(run: Run) -> None:
    """Trained and measured without any study."""
    *_, found = run
    train, test = (images[:n] for images, n in zip(ec.load("digits"), (200, 60), strict=True))
    train, validation = train.split(0.1, 0)
    for step, row in chosen(found, "KH", "α").items():
        net = ec.models.krotov_hopfield(train, units=12, n=1.0)
        ec.models.initialise(net, ec.rules.KrotovHopfield(), 0)
        ec.train_local(net, train, epochs=3, batch_size=50, stop=3 if step is None else step / 4)
        law = ec.spectrum(ec.at(net, "latent", "unit"), test.x).power_law((2, 8))
        assert row.value == pytest.approx(law.alpha, rel=1e-4)
        assert chosen(found, "KH", "units converged")[step].value == ec.convergence(net).fraction
        assert chosen(found, "KH", "units median norm")[step].value == pytest.approx(
            float(ec.convergence(net).norm.median()), rel=1e-6
        )
        settings: dict[str, Any] = {"epochs": 2, "batch_size": 50, "validation": validation}
        ec.train_supervised(net, train, "readout", **settings)
        assert chosen(found, "KH", "test accuracy")[step].value == accuracy(net, test)
    for step, row in chosen(found, "BP", "test accuracy").items():
        net = ec.models.perceptron(train, units=12)
        ec.train_supervised(net, train, epochs=4, batch_size=60, stop=None if step is None else step / 3)
        assert row.value == accuracy(net, test)


def accuracy(net: torch.nn.Module, test: ec.Images) -> float:
    with torch.no_grad():
        return float((net.eval()(test.x).argmax(1) == test.y).double().mean())


def test_the_end_of_the_training_is_the_finished_network(run: Run) -> None:
    *_, found = run
    for model, end in (("KH", 12), ("BP", 12)):
        for quantity in ("α", "test accuracy"):
            seen = chosen(found, model, quantity)
            assert seen[end].value == seen[None].value


def test_finished_networks_and_their_numbers_do_not_depend_on_snapshots(run: Run) -> None:
    _, cells, _, _ = run
    models: dict[str, Any] = {
        "KH": {**KH, "local": {**LOCAL, "snapshots": []}},
        "BP": {"units": 12, "supervised": {**BP["supervised"], "snapshots": []}},
        "Init": {"units": 12},
    }
    tables = {t: [{**e, "when": []} for e in RAW[t]] for t in ("spectra", "critical", "measure")}
    plain = made(models=models, claims=[], **tables)
    wanted = [c.step.key for c in plan(plain)]
    assert [c.step.key for c in cells if c.epoch is None] == wanted
    assert set(names(plain)) <= set(names(made()))


def test_a_chain_that_was_killed_goes_on_to_the_same_bits(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_, cells, store, _ = run
    again, due, left = Store(tmp_path / "again"), Saves.due, [0]

    def dies(self: Saves, step: int, ended: bool = False) -> list[Any]:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return due(self, step, ended)

    monkeypatch.setattr(Saves, "due", dies)
    for calls in (5, 4, 12, 9, 20):  # inside the first snapshots, between two, in a read-out, ...
        left[0] = calls
        with pytest.raises(KeyboardInterrupt):
            execute([c.step for c in cells], again)
    monkeypatch.undo()
    assert execute([c.step for c in cells], again).ok
    nets = {c.network.key: c.network for c in cells if c.network is not None}
    assert len(nets) > 20
    for net in nets.values():
        one, other = (load(s.folder(net) / WEIGHTS).state_dict() for s in (again, store))
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert [r.value for r in rows(study_, cells, again)] == pytest.approx(
        [r.value for r in rows(study_, cells, store)], abs=0, rel=0, nan_ok=True
    )


def test_activations_are_computed_once_per_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eigencode.training import _kept, _layer_inputs

    seen: list[int] = []
    original = _layer_inputs.computed
    monkeypatch.setattr(_layer_inputs, "computed", lambda *a: seen.append(1) or original(*a))
    cells = plan(made(seeds=[0]))
    goals = [c.step for c in cells if c.name == "units"]
    assert execute(goals, Store(tmp_path / "store")).ok
    assert len(seen) == 1
    assert not _kept._KEPT


def test_the_course_of_a_number_is_a_number_and_may_be_claimed(run: Run) -> None:
    study_, _, _, found = run
    known = names(study_)
    for model in ("KH", "BP"):
        for seed in (0, 1):
            seen = [r for s, r in sorted((s, r) for s, r in chosen(found, model, "α", seed).items() if s is not None)]
            told = {what: chosen(found, model, f"α, {what}", seed)[None] for what in COURSE}
            assert {f"α, {what}" for what in COURSE} <= set(known)
            assert told["largest"].value == max(r.value for r in seen)
            assert told["step of the smallest"].value == min(seen, key=lambda r: r.value).step
            assert told["half way"].value == pytest.approx(
                half_way([(r.step or 0, r.value) for r in seen]), nan_ok=True
            )
            assert all(math.isnan(r.low) and math.isnan(r.high) and r.epoch is None for r in told.values())
    (verdict,) = verdicts(study_, found)
    difference = margin(found, ("KH", "α, half way"), ("KH", "units median norm, half way"))
    assert verdict.value == difference.value
    assert {r.quantity for r in found if r.epoch is None and r.model == "KH"} <= set(known)
    assert not [r for r in found if r.model == "Init" and "half way" in r.quantity]


def test_a_course_with_a_moment_missing_is_not_told(run: Run, tmp_path: Path) -> None:
    study_, cells, store, _ = run

    class Without(Store):
        def has(self, step: Any) -> bool:
            return step.key != missing.step.key and super().has(step)

    (missing,) = (c for c in cells if (c.model, c.seed, c.name, c.at_step) == ("BP", 0, "α", 3))
    found = rows(study_, cells, Without(store.root))
    (lost,) = chosen(found, "BP", "α, half way").values()
    assert math.isnan(lost.value)
    assert lost.warnings == ("seed 0 was not measured",)
    assert chosen(found, "BP", "α, half way", 1)
    assert chosen(found, "BP", "test accuracy, half way")
    told = {(s.quantity, s.step): s for s in summarise(found) if s.model == "BP"}
    for where in (("α, half way", None), ("α", 3)):
        assert (told[where].seeds, told[where].low, told[where].high) == (1, -math.inf, math.inf)
    assert margin(found, ("BP", "α, half way"), ("KH", "α, half way")).low == -math.inf


def test_a_snapshot_need_not_have_converged(run: Run) -> None:
    """The doubt is about the finished network, not about what it is on the way."""
    *_, found = run
    said = {r.epoch is None for r in found if r.model == "KH" for w in r.warnings if "converged" in w}
    assert said == {True}
    assert not [w for r in found if r.quantity == "α, largest" for w in r.warnings if "converged" in w]


def pruned(**changes: Any) -> Study:
    return made(models={"KH": {**KH, "prune": True}}, critical=[], claims=[], seeds=[0], **changes)


def test_snapshots_are_not_pruned_and_say_so() -> None:
    cells = plan(pruned())
    mine = [c for c in cells if c.epoch is not None]
    assert {c.note for c in mine} == {", before pruning", ""}
    assert {c.name for c in mine if not c.note} == {"units"}
    assert not [s for c in mine for s in c.made_by() if s.name == "pruned"]


def test_the_last_stage_with_snapshots_counts() -> None:
    both = {**KH, "supervised": {**READOUT, "snapshots": [1]}}
    cells = [c for c in plan(made(models={"KH": both}, critical=[], claims=[], seeds=[0])) if c.epoch is not None]
    assert {(c.name, c.at_step) for c in cells if c.name != "units"} == {
        (n, s) for n in ("α", "test accuracy") for s in (4, 8)
    }
    assert {c.at_step for c in cells if c.name == "units"} == set(STEPS["KH"])
    best = {"units": 12, "supervised": {**BP["supervised"], "keep": "best"}}
    cells = [c for c in plan(made(models={"BP": best}, critical=[], claims=[], seeds=[0])) if c.epoch is not None]
    assert {c.at_step for c in cells} == {0, 1, 3, 6}  # the end of the training is not what is kept


def test_without_a_read_out_that_is_trained_there_are_no_logits() -> None:
    for supervised in (None, {**READOUT, "parameters": "all"}):
        model = {**KH, "supervised": supervised}
        cells = plan(made(models={"KH": model}, critical=[], claims=[], seeds=[0]))
        assert {c.name for c in cells if c.epoch is not None} == {"α", "units"}


def test_a_measure_of_the_images_themselves_has_no_moments(run: Run) -> None:
    _, cells, _, _ = run
    assert {c.epoch for c in cells if c.model == "data"} == {None}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"models": {"BP": {"units": 12}}, "critical": []}, r"spectra\.0\.when: no model of the study has snapshots"),
        ({"spectra": [{"name": "α", "window": [2, 8], "when": "always"}]}, "spectra.0.when"),
        ({"spectra": [{"name": "α", "window": [2, 8], "when": [0.7]}], "claims": []}, "no model has a snapshot"),
        ({"claims": [{**HALF, "quantity": "α, half time", "value": 3}]}, "not measured(?s:.*)α, half way"),
        ({"claims": [{**HALF, "quantity": "Jacobian norm, half way", "value": 3}]}, "not measured"),
        (
            {"models": {"BP": {"units": 12, "supervised": {**BP["supervised"], "patience": 2}}}, "claims": []},
            "patience",
        ),
        (
            {"claims": [{**HALF, "quantity": "size, largest", "other": "BP", "other_quantity": "α, largest"}]},
            "cannot be compared",
        ),
    ],
)
def test_mistakes_are_told_before_anything_runs(change: dict[str, Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        plan(made(**change))


def test_sizes_may_be_compared_with_their_extremes() -> None:
    claim = {"statement": "s", "quantity": "size, largest", "model": "BP", "other": "KH", "other_quantity": "size"}
    assert plan(made(claims=[claim]))


def test_part_of_a_study_without_snapshots() -> None:
    assert {c.epoch for c in plan(part(made(claims=[]), ["Init"])) if c.name != "size"} == {None}


def test_half_way() -> None:
    def line(step: float) -> float:
        return 3 + 2 * math.log1p(step)

    for steps in ([0, 5], [0, 1, 7, 100, 5000], [3, 4, 5]):
        points = [(s, line(s)) for s in steps]
        exact = math.expm1((math.log1p(steps[0]) + math.log1p(steps[-1])) / 2)  # linear in log time: at its middle
        assert half_way(points) == pytest.approx(exact)
        assert half_way([(s, -v) for s, v in points]) == pytest.approx(exact)
    assert half_way([(0, 0.0), (1, 4.0), (2, 1.0), (3, 2.0)]) == pytest.approx(2**0.25 - 1)  # for the first time
    assert half_way([(0, 0.0), (1, -5.0), (3, 2.0)]) == pytest.approx(math.expm1(math.log(2) * (1 + 6 / 7)))
    for values in ([1.0, 1.0], [0.0, math.inf], [0.0, math.inf, 1.0], [5.0]):
        assert math.isnan(half_way(list(enumerate(values))))


def snapshots(*values: float) -> list[Row]:
    return [Row("d", "m", 0, "q", v, 0, 9, "unit", "k", epoch=s, step=s) for s, v in enumerate(values)]


def test_a_moment_without_a_number_is_left_out_of_a_course_and_told() -> None:
    found = list(course(snapshots(1, math.nan, 1, 3)))
    told = {name: value for _, name, value, *_ in found}
    assert told["q, largest"] == 3
    assert told["q, step of the smallest"] == 0
    assert told["q, half way"] == pytest.approx(math.sqrt(12) - 1)  # between steps 2 and 3
    assert {said for *_, said in found} == {("no number at step 1",)}
    assert not list(course(snapshots(math.nan, math.nan)))
    assert {said for *_, said in course(snapshots(1, 2, 3))} == {()}


@pytest.mark.parametrize("values", [(math.nan, 0.2, 0.9, 1), (0, 0.2, 0.9, math.nan), (0, 0.2, math.nan, math.nan)])
def test_without_a_first_or_a_last_value_nothing_is_half_way(values: tuple[float, ...]) -> None:
    found = {name: (value, said) for _, name, value, _, said in course(snapshots(*values))}
    assert math.isnan(found["q, half way"][0])
    assert found["q, half way"][1][0].startswith("no number at step")


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.EigencodeWarning")
def test_a_read_out_in_closed_form_on_every_snapshot(tmp_path: Path) -> None:
    kh = {**{k: v for k, v in KH.items() if k != "supervised"}, "ridge": {"images": 150}}
    plain = {"spectra": [], "critical": [], "claims": [], "measure": [{"kind": "accuracy", "when": "snapshots"}]}
    some, store = made(models={"KH": kh}, seeds=[1], **plain), Store(tmp_path)
    cells = plan(some)
    assert {type(c.network) for c in cells if c.name == "test accuracy"} == {Fitted}
    assert execute([c.step for c in cells], store).ok
    found = chosen(rows(some, cells, store), "KH", "test accuracy", 1)
    assert set(found) == {None, *STEPS["KH"]}
    assert found[None].value == found[12].value
    train, test = (images[:n] for images, n in zip(ec.load("digits"), (200, 60), strict=True))
    train, _ = train.split(0.1, 1)
    net = ec.models.krotov_hopfield(train, units=12, n=1.0, seed=1)
    ec.models.initialise(net, ec.rules.KrotovHopfield(), 1)
    ec.train_local(net, train, epochs=3, batch_size=50, seed=1)
    ec.training.fit_readout(net, train[:150], seed=1)
    assert found[None].value == accuracy(net, test)


def test_a_model_has_one_way_to_train_its_read_out() -> None:
    recipe, plain = {"recipe": "KH", "units": 12}, {"claims": [], "spectra": [], "critical": [], "measure": []}
    assert made(models={"KH": {**recipe, "ridge": {}}}, **plain).models["KH"].supervised is None
    assert made(models={"KH": recipe}, **plain).models["KH"].supervised is not None
    with pytest.raises(StudyError, match="two ways to train its read-out"):
        plan(made(models={"KH": {**recipe, "ridge": {}, "supervised": READOUT}}, **plain))
