"""Somebody new: from a fresh clone to a report of their own network, and from an example to a part of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, blocks

PAGE = ROOT / "docs" / "quickstart.md"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def clone(folder: Path) -> Path:
    """What git keeps, as it is here now, with a virtual environment that is installed already."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip("not a git repository")
    for name in filter(None, done.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("published/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text(f'#!/bin/sh\nPYTHONPATH=src exec {sys.executable} "$@"\n')
    (binaries / "eigencode").write_text(f'#!/bin/sh\nPYTHONPATH=src exec {sys.executable} -m eigencode "$@"\n')
    for file in binaries.iterdir():
        file.chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    return folder


def shell(folder: Path, line: str, seconds: float = 1200) -> str:
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_the_way_to_a_report_is_short() -> None:
    """At most ten commands before the quickstart has told all about a network of one's own."""
    until = next(i for i, b in enumerate(blocks(PAGE)) if "eigencode probe" in b.text)
    lines = [line for b in blocks(PAGE)[: until + 1] if b.language == "sh" for line in b.text.splitlines() if line]
    assert 2 <= len(lines) <= 10


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_newcomer_gets_a_report_of_their_own_network(tmp_path: Path) -> None:
    """The quickstart in a real shell, word for word, in a fresh clone; only the installation has been done before."""
    home, printed = clone(tmp_path), ""
    for block in blocks(PAGE):
        if "file" in block.marks:
            (home / block.marks["file"]).write_text(block.text, "utf-8")
        elif block.language == "sh":
            for line in block.text.splitlines():
                printed = shell(home, line)
            if "eigencode probe" in block.text:
                break
    assert float(re.findall(r"accuracy +│ +(0\.\d+)", printed)[0]) > 0.8
    assert "critical size, PGD" in printed
    figures = {f"{name}.{kind}" for name in ("spectra", "slopes", "windows", "robustness") for kind in ("svg", "png")}
    assert figures <= {p.name for p in (home / "probe" / "figures").iterdir()}
    assert {"results.json", "report.html"} <= {p.name for p in (home / "probe").iterdir()}


PLUGINS = {
    "new_rule.py": (
        "rules",
        "WinnerOja",
        "TABLE: dict[str, Make] = {",
        '"WinnerOja": rules.WinnerOja',
        'p = 2\nlocal = { epochs = 2, batch_size = 50, rule = { name = "WinnerOja" } }\nsupervised = { epochs = 1 }\n',
    ),
    "new_penalty.py": (
        "penalties",
        "Activity",
        "TABLE = {",
        '"Activity": Row(eigencode.penalties.Activity, partial(eigencode.penalties.Activity, "encoder"))',
        'supervised = { epochs = 1, penalties = [{ name = "Activity", coefficient = 0.1 }] }\n',
    ),
    "new_attack.py": (
        "robustness",
        "Light",
        "PERTURBATIONS: list[Perturbation] = [",
        "eigencode.robustness.Light()",
        '\n[[critical]]\nimages = 5\nattack = { name = "Light" }\n',
    ),
}
TABLES = {"rules": "test_rules.py", "penalties": "test_penalties.py", "robustness": "test_perturbations.py"}


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("example", PLUGINS)
def test_an_example_becomes_part_of_the_package(example: str, tmp_path: Path) -> None:
    """One file, one export, one row: the table accepts it and a study can name it."""
    folder, name, table, row, settings = PLUGINS[example]
    home = clone(tmp_path)
    package = home / "src" / "eigencode" / folder
    shutil.copy2(home / "examples" / example, package / f"{name.lower()}.py")
    with (package / "__init__.py").open("a", encoding="utf-8") as contents:
        contents.write(f"from eigencode.{folder}.{name.lower()} import {name} as {name}\n")
    path = home / "tests" / "conformance" / TABLES[folder]
    rows = path.read_text("utf-8")
    assert rows.count(f"{table}\n") == 1
    named = "import pytest\n\nimport eigencode.penalties\nimport eigencode.robustness\n"
    rows = rows.replace("import pytest\n", named, 1)
    path.write_text(rows.replace(f"{table}\n", f"{table}\n    {row},\n"), "utf-8")
    printed = shell(home, f".venv/bin/python -m pytest -q -p no:cacheprovider {path.relative_to(home)} -k {name}")
    assert re.search(r"[1-9]\d* passed", printed)
    kind = 'kind = "krotov_hopfield"' if folder == "rules" else 'recipe = "Init"'
    model = f"[models.mine]\n{kind}\nunits = 8\n{settings}"
    study = f'data = "digits"\ntrain_images = 200\ntest_images = 60\n\n{model}\n[[spectra]]\nwindow = [2, 5]\n'
    (home / "mine.toml").write_text(study, "utf-8")
    assert "mine" in shell(home, ".venv/bin/eigencode run mine.toml --quiet")
