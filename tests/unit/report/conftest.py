"""One finished study for all tests of the report; each test gets a copy of its report folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import write

from eigencode.report import StudyRun, build
from eigencode.study import Store, execute, plan, read_study, results as study_results, rows


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    folder = tmp_path_factory.mktemp("report")
    study = read_study(write(folder))
    cells, store = plan(study), Store(folder / "store")
    assert execute([c.step for c in cells], store).ok
    target = folder / "store" / "reports" / "tiny"
    study_results.write(target, study, cells, rows(study, cells, store), {"provenance": {"torch": "2"}, "seconds": 1.0})
    return StudyRun(target, folder / "store")


@pytest.fixture(scope="session")
def built(finished: StudyRun) -> StudyRun:
    """The same with figures and page."""
    build(finished)
    return finished


@pytest.fixture
def run(finished: StudyRun, tmp_path: Path) -> StudyRun:
    shutil.copytree(finished.folder, tmp_path / "tiny", ignore=shutil.ignore_patterns("figures", "report.html"))
    return replace(finished, folder=tmp_path / "tiny")
