"""The studies that come with the package are found by name, and their headers say what they show and take."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import inside

from eigencode.base.errors import StudyError
from eigencode.base.shipped import catalogue, header, located, shipped
from eigencode.study import read_study

ROOT = Path(__file__).parents[3]
TAKES = re.compile(r"([\d.]+) (minutes|hours) of one core \(`seconds` in (published/\S+)\)")


def test_a_name_is_a_study_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(shipped()) == {path.stem for path in (ROOT / "studies").glob("*.toml")}
    assert read_study("demo") == read_study(ROOT / "studies" / "demo.toml")


def test_files_of_the_working_directory_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = 'data = "digits"\n[models.mine]\nrecipe = "Init"\nunits = 5\n'
    Path("demo.toml").write_text(mine, "utf-8")
    assert list(read_study("demo.toml").models) == ["mine"]
    assert "KH" in read_study("demo").models
    Path("demo").write_text(mine, "utf-8")
    assert list(read_study("demo").models) == ["mine"]


def test_a_folder_of_that_name_is_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    assert located(Path("demo")) == shipped()["demo"]


@pytest.mark.parametrize("name", ["demmo", "demo.tml", "demo.toml", "studies/demo.toml"])
def test_the_nearest_name_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=r"no such study file(.|\n)*`eigencode studies`(.|\n)*did you mean 'demo'"):
        read_study(name)


def test_a_header_of_several_lines(tmp_path: Path) -> None:
    text = (
        "# mine: one\n# two\n#\n# shows    three\n#          four: five\n# time     6 s\n#\n# seven  eight\n\n# a  b\n"
    )
    (tmp_path / "mine.toml").write_text(text, "utf-8")
    assert header(tmp_path / "mine.toml") == {"title": "one two", "shows": "three four: five", "time": "6 s"}


def test_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('data = "digits"\n# time     6 s\n', "utf-8")
    assert header(tmp_path / "mine.toml") == {"title": ""}


@pytest.mark.parametrize("name", shipped())
def test_headers_say_how_to_start_and_how_long_it_takes(name: str) -> None:
    said = header(shipped()[name])
    assert said["title"]
    assert said["shows"]
    assert said["command"].startswith(f"eigencode run {name}")
    assert said["time"]
    for number, unit, place in TAKES.findall(said["time"]):
        seconds = json.loads((ROOT / place).read_text("utf-8"))["seconds"]
        digits = len(number.partition(".")[2])
        assert round(seconds / {"minutes": 60, "hours": 3600}[unit], digits) == float(number)


def test_the_list_names_every_study_and_its_time() -> None:
    found = json.loads(inside("studies", "--json").stdout)
    assert [entry["name"] for entry in found] == list(shipped())
    demo = next(entry for entry in found if entry["name"] == "demo")
    assert demo["data"] == ["mnist5k"]
    assert re.fullmatch(r"\d+ minutes of one core", demo["takes"])
    assert next(entry for entry in found if entry["name"] == "paper_brisk")["data"] == ["cifar10"]  # of the extended
    lines = inside("studies").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(shipped())
    assert all(entry["title"] in line and entry["takes"] in line for entry, line in zip(found, lines[1:], strict=True))


def test_the_data_of_the_list_are_those_of_the_studies() -> None:
    for entry in catalogue():
        study = read_study(entry["file"])
        assert tuple(entry["data"]) == (() if study.calibration else study.data), entry["name"]


@pytest.mark.parametrize("words", ["studies", "--help", "--version"])
def test_the_list_comes_without_the_packages_that_take_seconds(words: str) -> None:
    code = (
        "import sys; from eigencode.cli import app; app([*sys.argv[1:]], standalone_mode=False); "
        "print([n for n in ('torch', 'scipy', 'matplotlib', 'pandas') if n in sys.modules])"
    )
    command = [sys.executable, "-c", code, words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_report_of_a_study_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "store/reports/demo" in inside("report", "demo").stderr
    assert "elsewhere/reports/demo" in inside("report", "demo", "--store", "elsewhere").stderr
    Path("demo").mkdir()
    assert re.search(r"got: +demo\n", inside("report", "demo").stderr)
    (Path("store") / "reports" / "demo").mkdir(parents=True)  # a folder of that name that is no report is not meant
    assert "store/reports/demo" in inside("report", "demo").stderr
