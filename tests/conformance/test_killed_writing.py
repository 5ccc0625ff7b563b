"""Whatever kills a writer, and whenever: what it was to write is there whole, or what was there before; one row each.

A new writer that promises this is one more row; writers that publish by copying are shown to be caught.
"""

import json
import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import killed_writing
import pytest
import torch
from safetensors.torch import save_file

from eigencode.base.errors import InputError
from eigencode.report import compare
from eigencode.report.html._page import MARK
from eigencode.study._integrity import META, damage
from eigencode.study.results import write
from eigencode.study.step import Inputs, Step
from eigencode.study.store import Store
from eigencode.training._state import Checkpoint


@dataclass(frozen=True)
class Several(Step):
    """Writes files and folders, as a trained network with its records does."""

    text: str
    name: ClassVar[str] = "several"

    def run(self, folder: Path, inputs: Inputs) -> None:
        for path, size in self.files().items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(self.text * size)

    @staticmethod
    def files() -> dict[str, int]:
        return {"network": 3000, "training/arrays": 500, "last": 1}


STEP = Several("xy")


@dataclass
class Row:
    """`start` makes what is there before; `work` writes; `look` fails unless the old or the new is there, and whole."""

    work: Callable[[Path], object]
    look: Callable[[Path], object]
    start: Callable[[Path], object] = lambda folder: None


def store_writes(folder: Path) -> None:
    with Store(folder).writing(STEP, {"seconds": 1.0}) as part:
        STEP.run(part, Inputs({}, folder))


def store_is_whole(folder: Path) -> None:
    """Nothing in `steps/`, or this result with every byte; a reader of any moment sees no other."""
    steps = folder / "steps"
    seen = [p.name for p in steps.iterdir()] if steps.is_dir() else []
    assert seen in ([], [STEP.key])
    assert Store(folder).has(STEP) == bool(seen)
    if seen:
        final = steps / STEP.key
        found = {str(p.relative_to(final)): p.read_text() for p in final.rglob("*") if p.is_file()}
        assert json.loads(found.pop(META))["seconds"] == 1.0
        assert damage(final) == ""
        assert found == {name: "xy" * size for name, size in STEP.files().items()}


def study_writes(text: str) -> Callable[[Path], object]:
    from eigencode.study.read import study

    asked = study({"name": "a", "data": "digits", "models": {"A": {"units": 5}}})
    return lambda folder: write(folder, asked, [], [], {"provenance": text})


def study_is_whole(folder: Path) -> None:
    if (folder / "results.json").exists():
        assert json.loads((folder / "results.json").read_text())["provenance"] in (3000 * "a", 4000 * "b")


def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint(folder / "c.safetensors", "same")


def checkpoint_saves(value: float, size: int) -> Callable[[Path], object]:
    return lambda folder: checkpoint(folder).save({"w": torch.full((size,), value)}, {"epoch": value})


def checkpoint_is_whole(folder: Path) -> None:
    found = checkpoint(folder).load()
    if found is not None:
        tensors, values = found
        assert (len(tensors["w"]), values["epoch"]) in ((700, 1), (900, 2))
        assert bool((tensors["w"] == values["epoch"]).all())


OLD, NEW = MARK + 3000 * "a", MARK + 4000 * "b"


@pytest.fixture(autouse=True)
def _page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without a study: how it is written is tested here."""
    monkeypatch.setattr(sys.modules["eigencode.report.build"], "page", lambda view, drawn: NEW)


def page_is_whole(folder: Path) -> None:
    assert (folder / "page.html").read_text() in (OLD, NEW)


TABLE: dict[str, Row] = {
    "store": Row(store_writes, store_is_whole),
    "store, where somebody removed step.json": Row(
        store_writes,
        lambda folder: store_is_whole(folder) if Store(folder).has(STEP) else None,
        lambda folder: [store_writes(folder), (Store(folder).folder(STEP) / META).unlink()],
    ),
    "results": Row(study_writes(4000 * "b"), study_is_whole, study_writes(3000 * "a")),
    "first results": Row(study_writes(4000 * "b"), study_is_whole),
    "checkpoint": Row(checkpoint_saves(2, 900), checkpoint_is_whole, checkpoint_saves(1, 700)),
    "page": Row(
        lambda folder: compare([], folder / "page.html"),
        page_is_whole,
        lambda folder: (folder / "page.html").write_text(OLD),
    ),
}


def survives(row: Row, folder: Path) -> None:
    """Killed at every touch of the disk and inside every write, the writer leaves the old or the new."""
    home = folder / "home"

    def before() -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        row.start(home)

    def look() -> None:
        row.look(home)

    def work() -> None:
        row.work(home)

    between, inside = killed_writing.deaths(work, look, before)
    assert between > 1
    assert inside > 0
    before()
    work()
    row.look(home)


@pytest.mark.parametrize("name", TABLE)
def test_a_kill_leaves_the_old_or_the_new(name: str, tmp_path: Path) -> None:
    survives(TABLE[name], tmp_path)


def copied(self: Store, step: Step, part: Path) -> None:
    shutil.copytree(part, self.folder(step))


def copied_beside(self: Store, step: Step, part: Path) -> None:
    """Renamed last, but beside the results, where a half one is seen."""
    half = self.folder(step).with_name(f"part-{uuid.uuid4().hex}")
    shutil.copytree(part, half)
    half.rename(self.folder(step))


def description_last(self: Store, step: Step, part: Path) -> None:
    """The folder counts as finished only with its description; until then it stands half among the results."""
    meta = part.with_name("meta")
    (part / META).rename(meta)
    shutil.copytree(part, self.folder(step))
    meta.rename(self.folder(step) / META)


def description_first(self: Store, step: Step, part: Path) -> None:
    final = self.folder(step)
    final.mkdir()
    for path in sorted(part.rglob("*"), key=lambda p: p.name != META):
        if path.is_file():
            (final / path.relative_to(part)).parent.mkdir(exist_ok=True)
            path.rename(final / path.relative_to(part))


@pytest.mark.parametrize("publish", [copied, copied_beside, description_last, description_first])
def test_a_store_that_publishes_otherwise_is_caught(
    publish: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "_publish", publish)
    with pytest.raises(AssertionError):
        survives(TABLE["store"], tmp_path)


BROKEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "results written in place": (
        "results",
        lambda f: (f / "results.json").write_text('{"provenance": "b"}' + 9999 * " "),
    ),
    "page written in place": ("page", lambda f: (f / "page.html").write_text(NEW)),
    "page removed first": ("page", lambda f: ((f / "page.html").unlink(), (f / "page.html").write_text(NEW))),
    "checkpoint written in place": ("checkpoint", lambda f: _saved(f / "c.safetensors")),
    "checkpoint copied": (
        "checkpoint",
        lambda f: (_saved(f / "part"), shutil.copyfile(f / "part", f / "c.safetensors")),
    ),
}


def _saved(path: Path) -> Path:
    header = {"identity": "same", "values": '{"epoch": 2}', "layout": "{}"}
    save_file({"w": torch.full((900,), 2.0)}, path, metadata=header)
    return path


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_not_renamed_into_place_is_caught(name: str, tmp_path: Path) -> None:
    row, work = BROKEN[name]
    with pytest.raises((AssertionError, ValueError, InputError, FileNotFoundError)):
        survives(replace(TABLE[row], work=work), tmp_path)
