"""Nothing that breaks a run loses a result; the tool that shows it notices if something does."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    for name in [n for n in sys.modules if n.partition(".")[0] == "tools"]:
        monkeypatch.delitem(sys.modules, name)
    from tools import faults

    return faults


def wrong(faults: ModuleType, rows: list[dict]) -> dict[str, dict[str, int]]:
    counted = {f"{r['fault']}, {r['where']}": {k: r[k] for k in faults.WRONG if r[k]} for r in rows}
    return {row: counts for row, counts in counted.items() if counts}


def test_a_killed_run_and_a_full_disk_lose_nothing(faults: ModuleType) -> None:
    """One trial of some rows, in a process that has started no threads: forks of it compute."""
    only = "SIGKILL: while a step|no further byte, during steps|record.json|3 runs, one"
    code = f"import json; from tools.faults import injected; print(json.dumps(injected(1, 0.01, {only!r})))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert sum(r["trials"] for r in rows) == 4
    assert wrong(faults, rows) == {}, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_nothing_that_breaks_a_run_loses_a_result(faults: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.faults", "--out", str(tmp_path / "faults.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=7000, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "faults.json").read_text("utf-8"))["rows"]
    assert wrong(faults, rows) == {}
    trials = {fault: sum(r["trials"] for r in rows if r["fault"] == fault) for fault in {r["fault"] for r in rows}}
    assert trials["SIGKILL"] >= 100
    assert trials["full disk"] >= 50


def test_the_published_run_found_nothing_wrong(faults: ModuleType) -> None:
    found = json.loads((ROOT / "published" / "faults.json").read_text("utf-8"))
    assert wrong(faults, found["rows"]) == {}
    assert {r["fault"] for r in found["rows"]} >= {"SIGKILL", "full disk", "SIGINT", "flipped bit", "several at once"}


def test_what_is_wrong_is_counted(faults: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of which a step was lost, one was computed again, and a claim is left."""
    from tools import fault_bench

    store = tmp_path / "store"
    for name in ("a-1", "b-1"):
        (store / "steps" / name).mkdir(parents=True)
        (store / "steps" / name / "step.json").write_text("{}")
    monkeypatch.setattr("eigencode.study._integrity.damage", lambda folder: "")
    bench, row = fault_bench.Bench(tmp_path, 0), fault_bench.Row("x", "y")
    bench.look(row, store, {"a-1": "{}", "b-1": '{"seconds": 2}', "c-1": "{}"})
    assert {k: v for k, v in row.wrong.items() if v} == {"lost": 1, "computed again": 1}
    (store / "claims").mkdir()
    (store / "claims" / "a-1.1").touch()
    (store / "half.part").touch()
    assert fault_bench.litter(store) == ["claims/a-1.1", "half.part"]
    bench.succeeded(row, fault_bench.Ended(1, "Traceback ... 3 steps done"), 2)
    assert (row.wrong["wrong exit codes"], row.wrong["tracebacks"], row.wrong["computed again"]) == (1, 1, 2)
