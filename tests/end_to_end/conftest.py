"""One browser, one small study and its page for all tests that open pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from small_study import finished

from eigencode.report import StudyRun
from eigencode.report.html._page import page


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    return finished(tmp_path_factory.mktemp("shown"))


@pytest.fixture(scope="session")
def shown_page(shown: StudyRun) -> Path:
    path = shown.folder / "report.html"
    path.write_text(page([shown]), encoding="utf-8")
    return path
