"""One finished study for all tests of the report; each test gets a copy of its report folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from eigencode.report import StudyRun, build
from eigencode.study import Store, plan, read_study, rows
from eigencode.study import results as study_results


@pytest.fixture(scope="session")
def finished(home: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    study, store = read_study(home / "tiny.toml"), Store(tmp_path_factory.mktemp("report") / "store")
    store.root.mkdir()
    (store.root / "steps").symlink_to(home / "store" / "steps")
    cells, target = plan(study), store.root / "reports" / "tiny"
    study_results.write(target, study, cells, rows(study, cells, store), {"provenance": {"torch": "2"}, "seconds": 1.0})
    return StudyRun(target, store.root)


@pytest.fixture(scope="session")
def built(finished: StudyRun) -> StudyRun:
    """The same with figures and page."""
    build(finished)
    return finished


@pytest.fixture
def run(finished: StudyRun, tmp_path: Path) -> StudyRun:
    shutil.copytree(finished.folder, tmp_path / "tiny", ignore=shutil.ignore_patterns("figures", "report.html"))
    return replace(finished, folder=tmp_path / "tiny")
