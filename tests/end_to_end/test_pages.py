"""Every block of README, CONTRIBUTING and docs runs as it stands; a page is followed from top to bottom."""

import shlex
from pathlib import Path

import pytest
from pages import PAGES, ROOT, Block, Reader, blocks, recipe

from eigencode import __version__

EXAMPLES = ROOT / "examples"

WITH_BLOCKS = [p for p in PAGES if blocks(p)]
FAST = [p for p in WITH_BLOCKS if not all(b.slow for b in blocks(p))]
SLOW = [p for p in WITH_BLOCKS if any(b.slow for b in blocks(p))]


def test_there_are_pages_to_follow() -> None:
    assert {"README.md", "CONTRIBUTING.md", "quickstart.md", "probe.md"} <= {p.name for p in WITH_BLOCKS}
    assert set(FAST) | set(SLOW) == set(WITH_BLOCKS)


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda p: p.name)
def test_no_block_is_only_looked_at(page: Path) -> None:
    assert [b.where for b in blocks(page) if not b.runnable] == []


def test_files_on_pages_are_the_examples() -> None:
    """What a page shows as an example is the example, to the letter."""
    shown = {b.marks["file"]: b for p in WITH_BLOCKS for b in blocks(p) if "file" in b.marks}
    same = [name for name in shown if (EXAMPLES / name).is_file()]
    assert len(same) >= 4
    for name in same:
        assert shown[name].text == (EXAMPLES / name).read_text("utf-8"), f"{shown[name].where} is not examples/{name}"


@pytest.mark.usefixtures("one_figure", "unchecked")
@pytest.mark.parametrize("page", FAST, ids=lambda p: p.name)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Reader(tmp_path, monkeypatch).follow(page)
    assert done == [b.where for b in blocks(page) if not b.slow]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("coarse", "unchecked")
@pytest.mark.parametrize("page", SLOW, ids=lambda p: p.name)
def test_page_runs_with_its_slow_blocks(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(Reader(tmp_path, monkeypatch, everything=True).follow(page)) == len(blocks(page))


def test_make_targets_on_pages_consist_of_commands_the_reader_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow blocks too: nothing of them runs here, but a line that nobody could run fails."""
    reader = Reader(tmp_path, monkeypatch)
    lines = [line for page in WITH_BLOCKS for block in blocks(page) for line in block.text.splitlines()]
    named = [shlex.split(line, comments=True) for line in lines if line.startswith("make ")]
    assert ["make", "demo"] in named
    assert ["make", "test"] in named
    for words in named:
        reader.command(words, [])


def page_of(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "```python\nraise AssertionError\n```\n",
        "```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n",
        "```sh\neigencode data list  # fine\neigencode data lost\n```\n",
        "```sh\nmake nothing-like-that\n```\n",
        "```sh\nrm -rf nothing\n```\n",
        "<!-- file: a.py -->\n```python\nassert False\n```\n\n```sh\npython a.py\n```\n",
        "```toml\na = 1\n```\n",
        "```\nplain\n```\n",
        "```python\nprint('α', 1.0)\n```\n\n```text\nα 1.2\n```\n",
        "```python\nprint('α', 1.0)\n```\n\n```text\nalpha 1.0\n```\n",
        "```sh\neigencode --version\n```\n\n```text\n0.7.0\n```\n",
    ],
)
def test_a_block_that_is_wrong_fails(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(tmp_path, text)
    (folder := tmp_path / "reader").mkdir()
    with pytest.raises(AssertionError):
        Reader(folder, monkeypatch).follow(page)


def test_an_output_is_that_of_the_block_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "```python\nprint('α =', 1.0)\nprint([2])\n```\n\nIt prints\n\n```text\nα = 1.05\n[2]\n```\n"
    text += f"```sh\neigencode --version\n```\n```text\n{__version__}\n```\n"
    page = page_of(tmp_path, text)
    (folder := tmp_path / "reader").mkdir()
    assert len(Reader(folder, monkeypatch).follow(page)) == 4


def test_marks_are_read_and_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "<!-- slow -->\n<!-- with: --quiet x -->\n```sh\neigencode y\n```\n<!-- file: a.py -->\n```python\ny = 2\n```\n"
    )
    text += (
        "```python\nimport a\n\nassert a.y == 2\n```\n<!-- slow -->\n\nWords between.\n\n```sh\neigencode doctor\n```\n"
    )
    page = page_of(tmp_path, text)
    first, second, third, fourth = blocks(page)
    assert first == Block("page.md:3", "sh", "eigencode y\n", {"slow": "", "with": "--quiet x"})
    assert (second.marks, third.marks, fourth.marks) == ({"file": "a.py"}, {}, {})
    (folder := tmp_path / "reader").mkdir()
    assert Reader(folder, monkeypatch).follow(page) == ["page.md:7", "page.md:10", "page.md:19"]


def test_make_says_what_it_would_do() -> None:
    assert recipe(["demo"]) == [".venv/bin/eigencode run studies/demo.toml --store store --workers 2"]
