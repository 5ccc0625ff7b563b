"""One browser, one small study and its page for all tests that open pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from shared import once
from small_study import finished

from eigencode.report import StudyRun, compare


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    folder = once(tmp_path_factory, "shown", _with_page)
    return StudyRun(folder / "store" / "reports" / "tiny", folder / "store")


def _with_page(folder: Path) -> None:
    run = finished(folder)
    compare([run], run.folder / "report.html")


@pytest.fixture(scope="session")
def shown_page(shown: StudyRun) -> Path:
    return shown.folder / "report.html"
