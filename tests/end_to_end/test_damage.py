"""A damaged file of a store: commands name it, `run` heals it, and the numbers are those of an undamaged run."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import inside
from damages import DAMAGES, flip

from eigencode.base.errors import EigencodeError
from eigencode.report import StudyRun
from eigencode.report._table import warning_lines
from eigencode.study import Store, _attempt, _conclusion, _integrity, _provenance, execute, plan, read_study
from eigencode.study._integrity import META, DamagedError

KINDS = (
    *(f"{step}-*/network.safetensors" for step in ("initial", "local", "pruned", "trained")),
    *(f"{step}-*/training/{file}" for step in ("local", "trained") for file in ("record.json", "arrays.safetensors")),
    *(f"local-*/convergence/{file}" for file in ("record.json", "arrays.safetensors")),
    *(f"pruned-*/pruning/{file}" for file in ("record.json", "arrays.safetensors")),
    *(f"{kind}-*/arrays.safetensors" for kind in ("spectrum", "accuracy", "critical", "curve", "units")),
    *(f"{kind}-*/record.json" for kind in ("spectrum", "accuracy", "critical", "curve", "units")),
    *(f"{kind}-*/{META}" for kind in ("initial", "trained", "spectrum", "critical")),
)
"""Every kind of file in the steps of the tiny study."""


@pytest.fixture
def here(home: Path, tmp_path: Path) -> Path:
    """A copy of the finished tiny study."""
    return shutil.copytree(home, tmp_path / "home")


def results(here: Path) -> Path:
    return here / "store" / "reports" / "tiny" / "results.json"


def numbers(here: Path) -> dict[str, object]:
    found = json.loads(results(here).read_text("utf-8"))
    return {k: found[k] for k in ("rows", "summary", "claims", "cells")}


def damaged_file(here: Path, kind: str) -> Path:
    return sorted((here / "store" / "steps").glob(kind))[-1]


def heals(here: Path, paths: list[Path], change: Callable[[Path], object]) -> None:
    """Damage files: they are named by `verify`, `status` and `report`; `run` computes their steps again, no others."""
    before, swaps = numbers(here), change is DAMAGES["folders swapped"]
    for path in paths:
        change(path)
    keys = {p.relative_to(here / "store" / "steps").parts[0] for p in paths}
    for done in (
        inside("store", "verify", "--store", here / "store"),
        inside("status", here / "tiny.toml", "--store", here / "store"),
        inside("report", results(here).parent),
    ):
        assert done.exit_code == 1
        assert "fix:    eigencode run computes them again" in done.stderr
        assert len(done.stderr.splitlines()) == 2 + len(keys) * (1 + swaps)
    healed = inside("run", here / "tiny.toml", "--store", here / "store")
    assert healed.exit_code == 0, healed.stderr
    again = len(keys) * (1 + swaps)
    assert healed.stderr.count("not used: ") == again
    assert f"{again} steps done, {57 - again} already there" in healed.stdout
    assert {p.name for p in (here / "store" / "damaged").iterdir()} >= keys
    assert numbers(here) == before
    assert inside("store", "verify", "--store", here / "store").exit_code == 0


@pytest.mark.usefixtures("one_figure")
def test_one_bit_of_a_weight(here: Path) -> None:
    """It once changed an accuracy without a word."""
    heals(here, [damaged_file(here, "trained-*/network.safetensors")], flip(0.7, 6))


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("how", DAMAGES)
def test_every_kind_of_file_damaged_in_every_way(here: Path, how: str) -> None:
    kinds = [k for k in KINDS if k.endswith(META)] if how == "folders swapped" else KINDS
    heals(here, [damaged_file(here, kind) for kind in kinds], DAMAGES[how])


def test_the_kinds_are_all_there_are(home: Path) -> None:
    steps = home / "store" / "steps"
    files = {p for p in steps.rglob("*") if p.is_file() and p.name != META}
    assert files - {p for kind in KINDS for p in steps.glob(kind)} == set()


def test_a_flipped_bit_anywhere_is_noticed(here: Path) -> None:
    chance, steps = random.Random(0), here / "store" / "steps"
    files = sorted(p for p in steps.rglob("*") if p.is_file())
    for path in chance.choices(files, k=200):
        whole, folder = path.read_bytes(), steps / path.relative_to(steps).parts[0]
        _integrity._examined_once.cache_clear()
        meta = _integrity.described(folder)
        flip(chance.random(), chance.randrange(8))(path)
        _integrity._examined_once.cache_clear()
        found, wrong = _integrity._examined(folder)
        assert wrong or (path.name == META and found == meta), path
        path.write_bytes(whole)


def test_one_bit_of_the_results(here: Path) -> None:
    path = results(here)
    whole = path.read_bytes()
    place = whole.index(b'"value": 0.') + len('"value": 0.')
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DamagedError, match=r"differs from what was written\n.*\n.*eigencode run writes it"):
        StudyRun.found(path.parent)
    chance = random.Random(0)
    for _ in range(50):
        path.write_bytes(whole)
        flip(chance.random(), chance.randrange(8))(path)
        try:
            found = StudyRun(path.parent, here / "store").results
        except EigencodeError:
            continue
        assert json.dumps(found["rows"]) == json.dumps(json.loads(whole)["rows"])


@pytest.mark.usefixtures("one_figure")
def test_a_store_of_an_older_version_is_read_and_said_once(here: Path) -> None:
    for path in (here / "store" / "steps").glob(f"*/{META}"):
        meta = {k: v for k, v in json.loads(path.read_text("utf-8")).items() if k not in _integrity.SEAL}
        path.write_text(json.dumps({**meta, "inputs": list(meta["inputs"])}), "utf-8")
    older = {k: v for k, v in json.loads(results(here).read_text("utf-8")).items() if k != "sha256"}
    results(here).write_text(json.dumps(older), "utf-8")
    before, folder = numbers(here), results(here).parent
    for done in (
        inside("report", folder, folder, "--out", here / "both.html"),
        inside("status", here / "tiny.toml", "--store", here / "store"),
        inside("run", here / "tiny.toml", "--store", here / "store"),
    ):
        assert done.exit_code == 0
        assert done.stderr.count("have no checksums") == 1
    assert "0 steps done, 57 already there" in done.stdout
    assert numbers(here) == before


def test_provenance_is_that_of_the_steps_and_not_of_the_reader(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looks at the results on another machine; then one step is computed there."""
    made = json.loads(results(here).read_text("utf-8"))["provenance"]
    study, store, now = read_study(here / "tiny.toml"), Store(here / "store"), _provenance.provenance()
    cells = plan(study)
    other = {**now, "processor": "another", "versions": {**now["versions"], "torch": "9.9"}, "python": "3.99"}
    monkeypatch.setattr(_conclusion, "provenance", lambda: other)
    monkeypatch.setattr(_attempt, "provenance", lambda: other)
    found = StudyRun(_conclusion.conclude(study, cells, store), store.root).results
    assert found["provenance"] == made
    assert found["reader"]["processor"] == "another"
    assert (found["mixed"], [w for w in warning_lines(found) if "alike" in w]) == ([], [])
    measured = next(c.step for c in cells if c.kind == "accuracy")
    shutil.rmtree(store.folder(measured))
    assert execute([measured], store).done == [measured]
    found = StudyRun(_conclusion.conclude(study, cells, store), store.root).results
    assert found["provenance"]["processor"] == f"{made['processor']} (56 steps), another (1 step)"
    assert found["provenance"]["versions"]["numpy"] == made["versions"]["numpy"]
    assert warning_lines(found)[0].startswith("! the steps of this result were not all computed alike: torch ")
    assert "9.9 (1 step)" in warning_lines(found)[0]
