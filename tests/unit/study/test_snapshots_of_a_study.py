"""Snapshots of a training are steps of their own, and the finished network is the same with and without them."""

from pathlib import Path

import pytest
import torch
from tiny import write

from eigencode.base.errors import StudyError
from eigencode.models import load
from eigencode.study import Cell, Store, execute, plan, read_study
from eigencode.study._order import ordered
from eigencode.study.steps.network import STATE, WEIGHTS, Training
from eigencode.training._saves import Saves

MODELS = (
    "models={KH={recipe='KH', units=12, local={epochs=6, batch_size=60, snapshots=LOCAL}, "
    "supervised={epochs=5, batch_size=50, snapshots=SUPERVISED}}, "
    "BP={recipe='BP', units=8, supervised={epochs=5, keep='best', patience=4, snapshots=SUPERVISED}}}"
)


def planned(folder: Path, local: str = "[]", supervised: str = "[]") -> list[Cell]:
    models = MODELS.replace("LOCAL", local).replace("SUPERVISED", supervised)
    return plan(read_study(write(folder), ["seeds=[0]", "validation=0.2", models]))


def trainings(cells: list[Cell]) -> dict[tuple[str, str, int | None], Training]:
    """The steps that train, by model, name and epoch; without the read-outs of snapshots."""
    found = {}
    for cell in cells:
        for step in ordered([cell.step]):
            if isinstance(step, Training):
                found[cell.model, step.name, None if step.stop is None else step.stop // step.per_epoch] = step
    return found


def weights(store: Store, step: Training) -> dict[str, torch.Tensor]:
    return load(store.folder(step) / WEIGHTS).state_dict()


def test_the_keys_of_other_steps_do_not_know_of_snapshots(tmp_path: Path) -> None:
    none, some = planned(tmp_path), planned(tmp_path, "[2, 4]", "[1, 3]")
    assert [c.step.key for c in none] == [c.step.key for c in some if c.epoch is None]
    more = trainings(planned(tmp_path, "[4]", "[3]"))
    assert {k: s.key for k, s in trainings(some).items()}.items() >= {k: s.key for k, s in more.items()}.items()
    assert len({s.key for s in trainings(some).values()}) == len(trainings(some)) == 9


def test_snapshots_are_the_states_on_the_way(tmp_path: Path) -> None:
    """Through all snapshots, through one, and without any: the same bits; a snapshot is what `stop` gives."""
    stores = []
    for number, (local, supervised) in enumerate((("[2, 4]", "[1, 3]"), ("[4]", "[3]"), ("[]", "[]"))):
        cells, store = planned(tmp_path, local, supervised), Store(tmp_path / str(number))
        assert execute([c.step for c in cells], store).ok
        stores.append((trainings(cells), store))
    (every, many), *others = stores
    for steps, store in others:
        for place, step in steps.items():
            torch.testing.assert_close(weights(store, step), weights(many, every[place]), rtol=0, atol=0)
    kept = {place for place, step in every.items() if (many.folder(step) / STATE).is_file()}
    assert kept == {place for place in every if place[2] is not None}
    assert {s.stop for (model, name, _), s in every.items() if (model, name) == ("KH", "local")} == {6, 12, None}
    two, four = (weights(many, every["KH", "local", epoch])["encoder.weight"] for epoch in (2, 4))
    assert not torch.equal(two, four)


def test_no_step_is_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    due, steps = Saves.due, []
    monkeypatch.setattr(Saves, "due", lambda self, step, ended=False: steps.append(step) or due(self, step, ended))
    cells = planned(tmp_path, "[2, 4]", "[]")
    assert execute([trainings(cells)["KH", "local", None]], Store(tmp_path / "store")).ok
    assert [s for s in steps if s] == list(range(1, 19))


def test_a_snapshot_asked_for_later_trains_up_to_it_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert execute([c.step for c in planned(tmp_path)], store).ok
    later = planned(tmp_path, "[3]", "[2]")
    outcome = execute([c.step for c in later], store)
    assert sorted((s.name, s.stop) for s in outcome.done) == [("local", 9), ("trained", 2), ("trained", 8)]


def test_a_killed_snapshot_continues_from_its_own_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, store = planned(tmp_path, "[2, 4]"), Store(tmp_path / "store")
    due, calls = Saves.due, 0

    def dies(self: object, step: int, ended: bool = False) -> list[object]:
        nonlocal calls
        calls += 1
        if calls == 11:
            raise RuntimeError("killed")
        return due(self, step, ended)  # type: ignore[arg-type]

    monkeypatch.setattr(Saves, "due", dies)
    assert not execute([c.step for c in cells], store).ok
    monkeypatch.undo()
    assert execute([c.step for c in cells], store).ok
    plain, other = planned(tmp_path), Store(tmp_path / "other")
    assert execute([c.step for c in plain], other).ok
    end = trainings(cells)["KH", "local", None]
    torch.testing.assert_close(weights(store, end), weights(other, end), rtol=0, atol=0)


@pytest.mark.parametrize("wrong", ["[-1]", "[7]", "[3, 2]", "[2, 2]", "[0.1]", "'log:1'", "'all'"])
def test_snapshots_lie_within_the_training(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(StudyError, match="snapshots"):
        planned(tmp_path, wrong)
