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


def shell(folder: Path, line: str, seconds: float = 200) -> str:
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
    assert float(re.findall(r"accuracy +(0\.\d+)", printed)[0]) > 0.8
    assert "critical size, PGD" in printed
    figures = {f"{name}.{kind}" for name in ("spectra", "slopes", "windows", "robustness") for kind in ("svg", "png")}
    assert figures | {"probe.json"} <= {p.name for p in (home / "probe").iterdir()}


PLUGINS = {
    "new_rule.py": (
        "rules",
        "WinnerOja",
        ("TABLE: dict[str, Make] = {", 'TABLE: dict[str, Make] = {\n    "WinnerOja": WinnerOja,'),
        "tests/conformance/test_rules.py",
        'recipe = "KH"\np = 2.0\nunits = 8\nlocal = { epochs = 2, batch_size = 50, rule = { name = "WinnerOja" } }\n'
        "supervised = { epochs = 1 }",
    ),
    "new_penalty.py": (
        "penalties",
        "Activity",
        ("TABLE = {", 'TABLE = {\n    "Activity": Row(Activity, partial(Activity, "encoder")),'),
        "tests/conformance/test_penalties.py",
        'recipe = "Init"\nunits = 8\n'
        'supervised = { epochs = 1, penalties = [{ name = "Activity", coefficient = 0.1 }] }',
    ),
    "new_attack.py": (
        "robustness",
        "Light",
        ("= [\n    Gaussian(),", "= [\n    Light(),\n    Gaussian(),"),
        "tests/conformance/test_perturbations.py",
        'recipe = "Init"\nunits = 8\n\n[[critical]]\nimages = 5\nattack = { name = "Light" }',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("example", PLUGINS)
def test_an_example_becomes_part_of_the_package_by_one_file_one_export_and_one_row(
    example: str, tmp_path: Path
) -> None:
    folder, name, (old, new), table, model = PLUGINS[example]
    home = clone(tmp_path)
    package = home / "src" / "eigencode" / folder
    source = (home / "examples" / example).read_text("utf-8").partition("\n\ndef ")[0]
    source = source.replace("import eigencode as ec\n", "").replace(f"eigencode.{folder} import", "eigencode.X import")
    homes = {"Batch, Penalty, watch, weighted": "penalties.protocol", "Rows, Rule": "rules.protocol"}
    for names, module in homes.items():
        source = source.replace(
            f"eigencode.X import {names}", f"eigencode.{module} import {names.partition(', watch')[0]}"
        )
    source = source.replace(
        "eigencode.X import FGSM, Gaussian, Perturbation", "eigencode.robustness.protocol import Perturbation"
    )
    (package / f"{name.lower()}.py").write_text(source, "utf-8")
    init = (package / "__init__.py").read_text("utf-8")
    export = f"from eigencode.{folder}.{name.lower()} import {name}\n"
    init = init.replace("from eigencode", f"{export}from eigencode", 1).replace(
        "__all__ = [", f'__all__ = ["{name}", ', 1
    )
    (package / "__init__.py").write_text(init, "utf-8")
    rows = (home / table).read_text("utf-8")
    assert rows.count(old) == 1
    rows = rows.replace(old, new).replace(
        "\nimport pytest\n", f"\nimport pytest\n\nfrom eigencode.{folder} import {name}\n", 1
    )
    (home / table).write_text(rows, "utf-8")
    shell(home, f".venv/bin/python -m pytest -q -p no:cacheprovider {table} -k {name}")
    (home / "mine.toml").write_text(
        f'data = "digits"\ntrain_images = 200\ntest_images = 60\n\n[models.mine]\n{model}\n\n[[spectra]]\nwindow = [2, 5]\n'
        if "[[" not in model
        else f'data = "digits"\ntrain_images = 200\ntest_images = 60\n\n[models.mine]\n{model}\n',
        "utf-8",
    )
    assert "mine" in shell(home, ".venv/bin/eigencode run mine.toml --quiet")
