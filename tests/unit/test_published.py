"""Numbers quoted in README and docs are those of the files a command wrote."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "tools", raising=False)
    from tools import publish

    return publish


def test_quoted_tables_are_the_published_results(publish) -> None:
    for path in publish.quoting_files():
        text = path.read_text("utf-8")
        assert publish.refreshed(text) == text, f"{path.name} quotes other numbers than published/: run tools.publish"


def test_every_picture_and_file_that_is_linked_exists(publish) -> None:
    for path in publish.quoting_files():
        for target in re.findall(r"\]\(((?!https?:|#)[^)]+)\)", path.read_text("utf-8")):
            assert (path.parent / target.split("#")[0]).exists(), f"{path.name} links to {target}"


def test_a_wrong_number_would_be_noticed(publish) -> None:
    text = "<!-- table: published/demo/results.json -->\n| 0.123 |\n<!-- end of table -->"
    assert publish.refreshed(text) != text
