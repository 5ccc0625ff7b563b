"""The command line as somebody uses it: run, run again, change something, be interrupted, be wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import inside
from processes import alive, children
from tiny import tree, write

from eigencode.base.errors import TrainingError
from eigencode.measures import CurveMeasure
from eigencode.study.steps import trained

FIGURES = (
    *("pruning", "receptive_fields", "robustness", "robustness2", "seeds", "slopes", "spectra", "tradeoff"),
    *("training", "windows", "windows2"),
)
COMMAND = [sys.executable, "-m", "eigencode"]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def outside(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False, env=ENVIRONMENT)


@pytest.fixture
def here(home: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    shutil.copytree(home, tmp_path / "home")
    return tmp_path / "home"


def steps_of(folder: Path) -> dict[str, int]:
    return tree(folder / "store" / "steps")


def test_a_first_run_computes_everything_and_says_where_it_is(home: Path) -> None:
    code, out, err = json.loads((home / "first.json").read_text())
    assert code == 0, err
    assert "57 steps done, 0 already there" in out
    for word in (
        "test accuracy",
        "α images",
        "critical size, FGSM",
        "Init",
        "KH",
        "BP",
        "±",
        "has not converged",
        "the local Krotov–Hopfield rule",
    ):
        assert word in out
    page = Path(re.findall(r"^page: (.*)$", out, re.M)[0])
    assert page == home / "store" / "reports" / "tiny" / "report.html"
    assert page.is_file()
    figures = sorted(p.name for p in (page.parent / "figures").iterdir())
    assert figures == sorted(f"{name}.{kind}" for name in FIGURES for kind in ("csv", "pdf", "png", "svg"))
    assert "Traceback" not in err
    assert list((home / "store" / "scratch").iterdir()) == []


@pytest.mark.usefixtures("one_figure")
def test_a_second_run_does_no_work_and_prints_the_same_table(here: Path) -> None:
    before = steps_of(here)
    again = inside("run", here / "tiny.toml", "--store", here / "store")
    assert again.exit_code == 0
    assert "0 steps done, 57 already there" in again.stdout
    assert steps_of(here) == before
    first = json.loads((here / "first.json").read_text())[1]
    assert again.stdout.split("57 already")[0].rsplit("\n", 1)[0] == first.split("57 steps done")[0].rsplit("\n", 1)[0]


@pytest.mark.usefixtures("one_figure")
def test_a_new_measurement_retrains_nothing_and_json_is_the_file(here: Path) -> None:
    before = steps_of(here)
    more = '\n[[critical]]\nname = "another"\nimages = 5\nattack = { name = "FGSM", norm = "l2" }\n'
    (here / "tiny.toml").write_text((here / "tiny.toml").read_text("utf-8") + more, "utf-8")
    words = ["--set", "spectra.0.window=[1,6]", "--json"]
    changed = inside("run", here / "tiny.toml", "--store", here / "store", *words)
    assert changed.exit_code == 0
    after = steps_of(here)
    assert {k: after[k] for k in before} == before
    assert [k.partition("-")[0] for k in after.keys() - before.keys() if k.endswith("step.json")] == ["critical"] * 6
    found = json.loads(changed.stdout, parse_constant=pytest.fail)
    assert found == json.loads((here / "store" / "reports" / "tiny" / "results.json").read_text("utf-8"))
    assert found["study"]["seeds"] == [0, 1]
    assert found["provenance"]["versions"]["torch"]
    assert found["seconds"] > 0
    assert len(found["cells"]) == 54
    assert found["headline"][-1] == "another"


def test_status_counts(here: Path) -> None:
    lines = inside("status", here / "tiny.toml", "--store", here / "store").stdout.splitlines()
    counts = {line.split()[0]: line.split()[1:4] for line in lines}
    assert re.fullmatch(r"all +57  of +57  \d.* (s|min|h)", lines[-1].strip())
    assert counts["all"] == ["57", "of", "57"]
    assert counts["trained"] == ["4", "of", "4"]
    more = inside("status", here / "tiny.toml", "--store", here / "store", "--seeds", "3").stdout
    assert more.splitlines()[-1].split()[:4] == ["all", "57", "of", "85"]
    none = inside("status", here / "tiny.toml", "--store", here / "empty").stdout
    assert none.splitlines()[-1].split() == ["all", "0", "of", "57", "0.0", "s"]
    machine = json.loads(inside("status", here / "tiny.toml", "--store", here / "store", "--json").stdout)
    assert (machine["trained"]["finished"], machine["trained"]["steps"]) == (4, 4)
    assert machine["all"]["seconds"] == pytest.approx(sum(v["seconds"] for k, v in machine.items() if k != "all"))
    assert machine["all"]["seconds"] > 0
    assert not (here / "empty").exists()


@pytest.mark.usefixtures("coarse")
def test_the_report_needs_neither_data_nor_networks(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eigencode.study.steps import data

    def gone(*words: object) -> None:
        raise AssertionError("the report read the data")

    monkeypatch.setattr(data, "_load", gone)
    folder = here / "store" / "reports" / "tiny"
    before = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    shutil.rmtree(folder / "figures")
    (folder / "report.html").unlink()
    result = inside("report", folder)
    assert result.exit_code == 0
    assert f"page: {folder / 'report.html'}" in result.stdout
    assert "has not converged" in result.stdout
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_report_of_nothing_is_wrong_input(here: Path) -> None:
    folder = here / "store" / "reports" / "tiny"
    empty = inside("report", folder, "--store", here / "elsewhere")
    assert (empty.exit_code, "none of the steps" in empty.stderr) == (2, True)
    missing = inside("report", here)
    assert (missing.exit_code, "no results here" in missing.stderr) == (2, True)
    assert (folder / "figures" / "spectra.svg").is_file()


WRONG = [
    (["--set", "models.KH.untis=3"], ["unknown key models.KH.untis", "did you mean 'units'"]),
    (["--set", "sedes=[0]"], ["unknown key sedes", "did you mean 'seeds'"]),
    (["--set", "models.KX.units=3"], ["no model KX"]),
    (["--set", "critical.0.attack.name=PDG"], ["unknown name in robustness", "PDG", "did you mean 'PGD'"]),
    (["--set", "data=cifar10", "--data-dir", "/nonexistent/folder"], ["/nonexistent/folder"]),
    (["--set", "data=digitz"], ["unknown data set", "did you mean 'digits'"]),
    (["--set", "data=folder:nowhere"], ["nowhere"]),
    (["--seeds", "0"], ["--seeds"]),
    (["--workers", "0"], ["--workers"]),
    (["--model", "HK"], ["no model HK", "did you mean 'KH'"]),
    (["--nonsense"], ["--nonsense"]),
]


@pytest.mark.parametrize(("words", "says"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_input_ends_with_2_and_names_it(home: Path, tmp_path: Path, words: list[str], says: list[str]) -> None:
    result = inside("run", home / "tiny.toml", "--store", tmp_path / "store", *words)
    assert result.exit_code == 2
    for word in says:
        assert word in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "store").exists()


def test_a_missing_study_and_a_control_character_in_its_name(tmp_path: Path) -> None:
    result = inside("run", f"{tmp_path}/\x1b[2Jmissing.toml")
    assert result.exit_code == 2
    assert "no such study file" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.usefixtures("one_figure")
def test_failing_steps_end_with_1_and_the_others_are_finished(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in one measurement, and a network that diverges: what does not need them is measured and shown."""

    def fail(self: CurveMeasure, subject: object) -> None:
        raise ZeroDivisionError("a defect")

    def diverge(*words: object, **more: object) -> None:
        raise TrainingError("the loss became NaN in epoch 3")

    for path in (here / "store" / "steps").glob("curve-*"):
        shutil.rmtree(path)
    monkeypatch.setattr(CurveMeasure, "measure", fail)
    monkeypatch.setattr(trained, "train_supervised", diverge)
    words = ["--store", here / "store", "--set", "models.BP.supervised.lr=1e9"]
    result = inside("run", here / "tiny.toml", *words)
    assert result.exit_code == 1
    assert "0 steps done, 39 already there, 6 failed, 12 skipped" in result.stdout
    assert "page: " in result.stdout
    table = [line.split("│")[1].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert table == ["data", "Init", "KH"]
    assert result.stderr.count("ZeroDivisionError: a defect") == 4
    assert "failed: KH, seed 1: curve: " in result.stderr
    assert "failed: BP, seed 0: trained: the loss became NaN in epoch 3\n" in result.stderr
    assert not list((here / "store" / "steps").glob("curve-*"))


def test_an_interrupt_ends_with_130_and_keeps_what_is_finished(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: CurveMeasure, subject: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CurveMeasure, "measure", interrupt)
    shutil.rmtree(next((here / "store" / "steps").glob("curve-*")))
    before = steps_of(here)
    result = inside("run", here / "tiny.toml", "--store", here / "store")
    assert result.exit_code == 130
    assert "every finished step is kept" in result.stderr
    assert steps_of(here) == before


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc to see what becomes of the workers")
@pytest.mark.usefixtures("one_figure")
def test_a_killed_run_goes_on_where_it_was(home: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: its workers end too, no finished step is repeated, and the results are the same."""
    study, store = write(tmp_path), tmp_path / "store"
    words = [*COMMAND, "run", str(study), "--store", str(store), "--workers", "2", "--quiet"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    end = time.monotonic() + 200
    while len(list(store.glob("steps/*"))) < 8 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    workers = children(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert workers
    assert not any(map(alive, workers))
    before = steps_of(tmp_path)
    names = {k.split("/")[0] for k in before}
    assert 8 <= len(names) < 57
    assert all((store / "steps" / name / "step.json").is_file() for name in names)
    result = inside("run", study, "--store", store)
    assert f"{57 - len(names)} steps done, {len(names)} already there" in result.stdout
    after = steps_of(tmp_path)
    assert {k: after[k] for k in before} == before
    assert list((store / "scratch").iterdir()) == []
    one, other = (s / "reports" / "tiny" / "results.json" for s in (store, home / "store"))
    assert json.loads(one.read_text("utf-8"))["rows"] == json.loads(other.read_text("utf-8"))["rows"]


def test_data_list_and_doctor() -> None:
    listed = inside("data", "list")
    assert listed.exit_code == 0
    (digits,) = (line for line in listed.stdout.splitlines() if line.startswith("digits "))
    assert digits.split()[1:] == ["1×8×8", "1438", "+", "359", "here"]
    fetched = inside("data", "fetch", "digits")
    assert (fetched.exit_code, fetched.stdout) == (0, "digits is here\n")
    unknown = inside("data", "fetch", "digitz")
    assert (unknown.exit_code, "did you mean 'digits'" in unknown.stderr) == (2, True)
    found = inside("doctor")
    assert found.exit_code == 0
    for word in ("torch", "threads", "instructions", "mnist5k"):
        assert word in found.stdout


def test_help_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    """What makes it quick is tested in test_architecture.py; a time depends on who else uses the machine."""
    times = []
    for _ in range(3):
        began = time.monotonic()
        done = outside("--help")
        times.append(time.monotonic() - began)
        assert done.returncode == 0
    for command in ("run", "status", "report", "spectrum", "data", "doctor"):
        assert re.search(rf"^  {command} ", done.stdout, re.M)
    with capsys.disabled():
        print(f"\n--help: {min(times):.2f} s (wanted: 0.4 s)", end="")
