"""Damage in a store is named, set aside and computed again; nothing is read from a damaged result."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from damages import DAMAGES
from fake_steps import Write

from eigencode.base.files import write_tensors
from eigencode.base.strict_json import dumps
from eigencode.study import _integrity
from eigencode.study._integrity import META, DamagedError, damage, described, intact, is_sealed, sealed
from eigencode.study.executor import execute
from eigencode.study.step import Inputs, Step
from eigencode.study.store import Store
from eigencode.training._state import Checkpoint

FIRST = Write("a")
SECOND = Write("b", (FIRST,))
THIRD = Write("c", (SECOND,))
GOALS: list[Step] = [THIRD, Write("d")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    assert execute(GOALS, made).ok
    return Store(shutil.copytree(made.root, tmp_path / "copy"))


def spoil(path: Path) -> None:
    """Damage a file, and forget what this process has checked."""
    DAMAGES["zeroed"](path)
    _integrity._examined_once.cache_clear()


def files(store: Store) -> dict[str, bytes]:
    where = store.root / "steps"
    return {str(p.relative_to(where)): p.read_bytes() for p in where.rglob("*") if p.is_file() and p.name != META}


@pytest.mark.parametrize("file", ["out.txt", META])
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_is_named_set_aside_and_healed(store: Store, how: str, file: str) -> None:
    before, path = files(store), store.folder(SECOND) / file
    DAMAGES[how](path)
    spoilt = path.read_bytes() if path.exists() else None
    assert not store.has(SECOND)
    with pytest.raises(
        DamagedError, match=rf"{SECOND.key} is damaged: .*\n.*\n  fix:    eigencode run computes it again"
    ):
        store.checked(SECOND.key)
    outcome = execute(GOALS, store)
    assert outcome.ok
    swapped = how == "folders swapped"
    assert SECOND in outcome.done
    assert len(outcome.done) == (2 if swapped else 1), "only what is damaged is computed again"
    assert set(outcome.renewed) == {s.key for s in outcome.done}
    assert outcome.renewed[SECOND.key].startswith("write: ")
    aside = store.root / "damaged" / SECOND.key / file
    assert (aside.read_bytes() if aside.exists() else None) == spoilt
    assert files(store) == before
    assert execute(GOALS, store).renewed == {}


def test_every_bit_of_the_description_counts(store: Store) -> None:
    """A flipped bit is noticed, or leaves every value as it was (such as another kind of white space)."""
    path = store.folder(SECOND) / META
    whole, meta = path.read_bytes(), described(store.folder(SECOND))
    unnoticed = []
    for place in range(0, len(whole), 3):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        path.write_bytes(spoilt)
        found, wrong = _integrity._examined_once.__wrapped__(path.parent, ())
        if not wrong:
            assert found == meta
            unnoticed.append(place)
    assert len(unnoticed) < len(whole) / 300


def test_a_description_that_has_lost_one_of_its_names_is_no_older_one(store: Store) -> None:
    path = store.folder(SECOND) / META
    for name in _integrity.SEAL:
        meta = json.loads(path.read_text())
        shutil.copy(path, spare := path.with_name(".spare"))
        path.write_text(json.dumps({k if k != name else "lost": v for k, v in meta.items()}))
        assert not store.has(SECOND), name
        spare.replace(path)
        assert store.has(SECOND)


@dataclass(frozen=True)
class Drifts(Write):
    """Another machine: the same step gives other bits."""

    name: ClassVar[str] = "drifts"
    machine: ClassVar[str] = "one"

    def run(self, folder: Path, inputs: Inputs) -> None:
        (folder / "out.txt").write_text(self.machine)
        (folder / "record.json").write_text(f'{{"seconds": {id(folder)}.5e-07, "n": 1}}')


def test_dependents_are_computed_again_only_if_the_content_of_their_inputs_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, start = Store(tmp_path), Drifts("x")
    after = Write("y", (start,))
    last, beside = Write("z", (after,)), Write("w")
    goals: list[Step] = [last, beside]
    assert execute(goals, store).ok
    spoil(store.folder(start) / "out.txt")
    outcome = execute(goals, store)
    assert (outcome.done, len(outcome.cached)) == ([start], 3)
    spoil(store.folder(start) / "out.txt")
    monkeypatch.setattr(Drifts, "machine", "two")
    outcome = execute(goals, store)
    assert (outcome.done, outcome.cached) == ([start, after, last], [beside])
    assert "it was made from another drifts than the store has now" in outcome.renewed[after.key]
    assert (store.folder(last) / "out.txt").read_text() == "twoyz"
    assert sorted(p.name for p in (tmp_path / "damaged").iterdir()) == sorted(
        [start.key, f"{start.key}-2", after.key, last.key]
    )


def test_a_run_killed_before_the_dependents_does_not_leave_them_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, start = Store(tmp_path), Drifts("x")
    after = Write("y", (start,))
    assert execute([after], store).ok
    (store.folder(start) / META).unlink()
    monkeypatch.setattr(Drifts, "machine", "two")
    assert execute([start], store).ok
    assert not store.has(after)
    assert execute([after], store).done == [after]


def test_a_result_whose_input_is_damaged_counts_if_the_input_cannot_be_computed(tmp_path: Path) -> None:
    """What is finished was made from the undamaged input; nothing says that another would come out."""

    class Once(Write):
        name = "once"

        def run(self, folder: Path, inputs: Inputs) -> None:
            super().run(folder, inputs)
            if (tmp_path / "damaged_now").exists():
                raise ValueError("not again")

    store, start = Store(tmp_path), Once("x")
    after, new = Write("y", (start,)), Write("new", (start,))
    assert execute([after], store).ok
    spoil(store.folder(start) / "out.txt")
    (tmp_path / "damaged_now").touch()
    outcome = execute([after, new], store)
    assert list(outcome.failed) == [start.key]
    assert (outcome.cached, outcome.skipped) == ([after], [new])


def test_an_input_damaged_during_the_run_is_not_read(store: Store) -> None:
    new = Write("new", (SECOND,))

    class Spoils(Write):
        name = "spoils"

        def run(self, folder: Path, inputs: Inputs) -> None:
            path = store.folder(SECOND) / META
            path.write_text(path.read_text().replace("write", "wrote"))

    outcome = execute([Spoils("s"), new], store)
    assert "is damaged" in outcome.failed[new.key]
    assert "Traceback" not in outcome.failed[new.key]


def test_a_store_of_an_older_version_is_read_as_it_is(store: Store) -> None:
    for step in (FIRST, SECOND, THIRD):
        path = store.folder(step) / META
        kept = {k: v for k, v in json.loads(path.read_text()).items() if k not in _integrity.SEAL}
        path.write_text(json.dumps({**kept, "inputs": list(kept["inputs"])}))
        assert store.has(step)
        assert not is_sealed(store.meta(step))
    assert execute(GOALS, store).done == []
    new = Write("e", (THIRD,))
    assert execute([new], store).done == [new]
    assert store.meta(new)["inputs"] == {THIRD.key: ""}
    assert execute([new], store).done == []


def test_hidden_files_that_systems_add_are_no_damage(store: Store) -> None:
    (store.folder(FIRST) / ".DS_Store").write_text("x")
    assert store.has(FIRST)


def test_content_is_blind_to_computing_time_and_the_order_of_a_header_and_to_nothing_else(tmp_path: Path) -> None:
    import torch

    def content(seconds: float, value: float, epoch: int = 1) -> str:
        folder = tmp_path / f"{seconds}-{value}-{epoch}"
        folder.mkdir()
        (folder / "record.json").write_text(dumps({"seconds": seconds, "epoch": epoch}))
        header = {"values": dumps({"epoch": 1, "seconds": seconds}, compact=True), **dict.fromkeys("abcdef", "x")}
        write_tensors(folder / "state.safetensors", {"w": torch.tensor([value])}, header)
        return str(sealed(folder, "k", {})["content"])

    assert content(1.5, 0.25) == content(123456.75e-9, 0.25)
    assert content(2.5, 0.25) != content(2.5, 0.5)
    assert content(3.5, 0.25) != content(3.5, 0.25, 2)


def test_the_content_of_a_snapshot_is_blind_to_computing_time(tmp_path: Path) -> None:
    """A checkpoint also has a checksum of its own, over everything."""

    def content(seconds: float, value: float) -> object:
        folder = tmp_path / f"{seconds}-{value}"
        folder.mkdir(exist_ok=True)
        Checkpoint(folder / "state.safetensors", "same").save({"w": torch.tensor([value])}, {"seconds": seconds})
        return sealed(folder, "k", {})["content"]

    assert content(1.5, 3.0) == content(2.5, 3.0)
    assert content(1.5, 3.0) != content(1.5, 4.0)


def test_a_result_is_read_once_per_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    before = _integrity._wrong
    monkeypatch.setattr(_integrity, "_wrong", lambda folder, meta: (read.append(folder), before(folder, meta))[1])
    for _ in range(3):
        assert store.has(THIRD)
        assert damage(store.folder(THIRD)) == ""
    assert sorted(p.name for p in read) == sorted(s.key for s in (SECOND, THIRD))


def test_signing_is_about_content() -> None:
    signed = _integrity.signed({"a": (1, 2.5), "nan": float("nan")})
    assert intact(json.loads(json.dumps(signed, indent=3)))
    assert not intact({**signed, "a": [1, 2.25]})
    assert _integrity.signed(signed) == signed
