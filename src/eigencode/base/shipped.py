"""The studies that come with the package: their files by name, and what their headers say."""

import re
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
ENTRY = re.compile(r"(\w+) {2,}(.*)")
"""First line of an entry of a header: `time     2 minutes`; further lines of it are indented."""


def home() -> Path:
    """The folder with `studies` and the code they import: `shipped` in an installed package, or the repository."""
    inside = PACKAGE / "shipped"
    return inside if inside.is_dir() else PACKAGE.parents[1]


def shipped() -> dict[str, Path]:
    """Names and files of the studies that come with the package.

    >>> shipped()["demo"].name
    'demo.toml'
    """
    return {path.stem: path for path in sorted((home() / "studies").glob("*.toml"))}


def located(study: Path) -> Path:
    """The file of a study, given as a path or, without a suffix, as the name of one that comes with the package.

    A file of that name in the working directory comes first.

    >>> located(Path("demo")).parent.name, located(Path("mine.toml")).name
    ('studies', 'mine.toml')
    """
    return study if study.is_file() else shipped().get(str(study), study)


def header(path: Path) -> dict[str, str]:
    """The comment at the top of a study file: its `title`, and its entries `shows`, `command`, `time`, `expect` ….

    >>> header(shipped()["demo"])["command"]
    'eigencode run demo'
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").removeprefix(" ") for line in takewhile(lambda s: s.startswith("#"), lines)]
    title = list(takewhile(str.strip, comment))
    found, key = {"title": " ".join(title).removeprefix(f"{path.stem}: ")}, ""
    for line in takewhile(str.strip, comment[len(title) + 1 :]):
        if first := ENTRY.fullmatch(line):
            key, text = first.groups()
            found[key] = text.strip()
        elif key:
            found[key] += f" {line.strip()}"
    return found


def catalogue() -> list[dict[str, Any]]:
    """The studies that come with the package: name, file, entries of the header, data sets, and in short what each
    `takes`.

    >>> next(entry["data"] for entry in catalogue() if entry["name"] == "demo")
    ['mnist5k']
    """
    found = []
    for name, path in shipped().items():
        said, data = header(path), _data(path)
        takes = re.split(r"[;:]| \(|\. ", said.get("time", ""))[0]
        data = [data] if isinstance(data, str) else data
        found.append({"name": name, "file": str(path), **said, "data": data, "takes": takes})
    return found


def _data(path: Path) -> Any:
    """The data sets of a study file, or of the file that it extends; without `read_study`, which imports torch."""
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    return raw["data"] if "data" in raw else _data(path.parent / raw["extends"]) if "extends" in raw else []
