"""Looking after a store: what is damaged, what takes room, and what may go; nothing in use ever does."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from command import inside
from damages import DAMAGES
from fake_steps import Write

from eigencode.base.strict_json import dumps
from eigencode.study import _integrity, _upkeep
from eigencode.study._integrity import META, DamagedError, signed
from eigencode.study.executor import execute
from eigencode.study.step import Step
from eigencode.study.store import Store

FIRST = Write("a")
SECOND = Write("b", (FIRST,))
OTHER = Write("other study", (FIRST,))
UNUSED = Write("unused")
LONG_AGO = time.time() - 40 * 86400


def report(store: Store, name: str, *steps: Step) -> Path:
    path = store.root / "reports" / name / "results.json"
    path.parent.mkdir(parents=True)
    path.write_text(dumps(signed({"cells": [{"key": s.key, "network": []} for s in steps]})))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two studies that share a step, and a step of none; all of it old."""
    made = Store(tmp_path / "made")
    assert execute([SECOND, OTHER, UNUSED], made).ok
    report(made, "one", SECOND)
    report(made, "two", OTHER)
    return age(Store(shutil.copytree(made.root, tmp_path / "store")))


def age(store: Store) -> Store:
    for path in store.root.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return store


def spoil(path: Path) -> None:
    DAMAGES["zeroed"](path)
    _integrity._examined_once.cache_clear()


def wasted(store: Store) -> dict[str, str]:
    return {str(w.path.relative_to(store.root)): w.why for w in _upkeep.waste(store)}


def test_verify_counts_and_names(store: Store) -> None:
    done = inside("store", "verify", "--store", store.root)
    assert done.exit_code == 0
    assert done.stdout.split() == ["results", "4", "damaged", "0", "without", "checksums", "0"]
    spoil(store.folder(SECOND) / "out.txt")
    done = inside("store", "verify", "--store", store.root)
    assert done.exit_code == 1
    assert f"{SECOND.key}: out.txt differs from what was written" in done.stderr
    assert "eigencode run computes them again" in done.stderr
    machine = inside("store", "verify", "--json", "--store", store.root)
    assert json.loads(machine.stdout)["damaged"] == {SECOND.key: "out.txt differs from what was written"}


def test_sizes_of_studies_that_share_a_step(store: Store) -> None:
    found = _upkeep.sizes(store)
    size = {s: _upkeep.size(store.folder(s)) for s in (FIRST, SECOND, OTHER, UNUSED)}
    assert size[SECOND] == sum(p.stat().st_size for p in store.folder(SECOND).iterdir())
    assert found["one"] == {"steps": 2, "bytes": size[FIRST] + size[SECOND], "alone": size[SECOND]}
    assert found["two"] == {"steps": 2, "bytes": size[FIRST] + size[OTHER], "alone": size[OTHER]}
    assert found["(no study)"] == {"steps": 1, "bytes": size[UNUSED]}
    assert found["(all)"]["bytes"] == _upkeep.size(store.root)
    shown = inside("store", "info", "--store", store.root).stdout
    assert [line.split()[0] for line in shown.splitlines()[1:3]] == ["one", "two"]


def test_prune_lists_what_nothing_needs_and_deletes_only_if_told(store: Store) -> None:
    spare = store.root / "damaged" / "x-1"
    spare.mkdir(parents=True)
    (spare / "out.txt").write_text("x" * 2048)
    listed = inside("store", "prune", "--store", store.root).stdout
    assert f"steps/{UNUSED.key}" in listed
    assert "no report in reports/ uses it" in listed
    assert "2.0 KiB" in listed
    assert "nothing is deleted without --yes" in listed
    assert store.has(UNUSED)
    assert spare.exists()
    said = inside("store", "prune", "--yes", "--store", store.root).stdout
    assert f"steps/{UNUSED.key}" in said
    assert "deleted" in said
    assert not store.folder(UNUSED).exists()
    assert not spare.exists()
    assert list((store.root / "damaged").iterdir()) == []
    assert all(store.has(s) for s in (FIRST, SECOND, OTHER))
    assert wasted(store) == {}


def test_scratch_is_abandoned_only_after_a_while_without_a_claim(store: Store) -> None:
    scratch = store.scratch(SECOND)
    (scratch / "state.safetensors").write_text("x")
    assert wasted(store) == {}, "a run goes on: neither its files nor what no report uses yet"
    age(store)
    assert wasted(store)[f"scratch/{SECOND.key}"] == "left by a run that ended 40 days ago"
    (store.root / "claims").mkdir(exist_ok=True)
    (store.root / "claims" / f"{SECOND.key}.1").write_text("a process that touches it from time to time")
    assert wasted(store) == {}


def test_young_results_are_kept_for_the_report_to_come(store: Store) -> None:
    os.utime(store.folder(UNUSED) / META)
    assert wasted(store) == {}


def test_nothing_is_called_unused_while_something_is_damaged(store: Store) -> None:
    """The inputs of a damaged result are not known, so they look unused."""
    (store.folder(SECOND) / META).unlink()
    shutil.rmtree(store.root / "reports" / "two")
    assert wasted(store) == {f"steps/{SECOND.key}": "damaged: step.json is missing"}


def test_a_report_that_cannot_be_read_is_no_reason_to_delete(store: Store) -> None:
    path = store.root / "reports" / "one" / "results.json"
    for text in ("{", '{"cells": 3}', path.read_text().replace(SECOND.key, FIRST.key)):
        path.write_text(text)
        with pytest.raises(DamagedError, match=r"results\.json is damaged"):
            _upkeep.waste(store)
    assert inside("store", "prune", "--yes", "--store", store.root).exit_code == 1
    assert store.has(UNUSED)


def test_there_must_be_a_store(tmp_path: Path) -> None:
    for command in ("verify", "info", "prune"):
        done = inside("store", command, "--store", tmp_path)
        assert done.exit_code == 2
        assert "no store here" in done.stderr


def test_checksums_can_be_added_to_results_of_older_versions(store: Store) -> None:
    for step in (FIRST, SECOND, OTHER):
        path = store.folder(step) / META
        meta = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in meta.items() if k not in _integrity.SEAL}))
    done = inside("store", "verify", "--store", store.root)
    assert done.exit_code == 0
    assert done.stderr.count("note: 3 results of an older version have no checksums") == 1
    assert f"eigencode store verify --seal --store {store.root}" in done.stderr
    sealed = inside("store", "verify", "--seal", "--store", store.root)
    assert (sealed.exit_code, sealed.stderr) == (0, "")
    assert _upkeep.verify(store) == {"steps": 4, "damaged": {}, "without_checksums": []}
    assert store.meta(FIRST)["label"] == "write"
    spoil(store.folder(FIRST) / "out.txt")
    assert not store.has(FIRST)
