"""One finished study for all tests of the report; each test gets a copy of its report folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import learning
import pytest
from shared import once

from eigencode.report import StudyRun, build
from eigencode.study import Store, plan, read_study, results as study_results, rows


@pytest.fixture(scope="session")
def finished(home: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    def make(folder: Path) -> None:
        study, store = read_study(home / "tiny.toml"), Store(folder)
        (store.root / "steps").symlink_to(home / "store" / "steps")
        cells, more = plan(study), {"provenance": {"torch": "2"}, "seconds": 1.0}
        study_results.write(folder / "reports" / "tiny", study, cells, rows(study, cells, store), more)

    store = once(tmp_path_factory, "report", make)
    return StudyRun(store / "reports" / "tiny", store)


@pytest.fixture(scope="session")
def built(finished: StudyRun, tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """The same with figures and page."""

    def make(folder: Path) -> None:
        shutil.copytree(finished.folder, folder / "tiny")
        build(replace(finished, folder=folder / "tiny"))

    return replace(finished, folder=once(tmp_path_factory, "built", make) / "tiny")


@pytest.fixture
def run(finished: StudyRun, tmp_path: Path) -> StudyRun:
    shutil.copytree(finished.folder, tmp_path / "tiny")
    return replace(finished, folder=tmp_path / "tiny")


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """A study measured at snapshots of its training."""
    folder = once(tmp_path_factory, "learned", learning.measured)
    return StudyRun(folder / "store" / "reports" / "learning", folder / "store")
