"""Stores that several people use: every file follows the umask, and a store that cannot be written is told at once."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import inside

from eigencode.base.errors import InputError
from eigencode.study import Store

STUDY = """
name = "shared"
data = "digits"
train_images = 60
test_images = 20
data_spectrum = false
spectra = [{ window = [1, 4] }]

[models.KH]
recipe = "KH"
units = 12
local = { epochs = 2, batch_size = 20, snapshots = [1] }
supervised = { epochs = 1, batch_size = 20 }
"""


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("umask", [pytest.param(0o022, marks=pytest.mark.slow), 0o002, 0o077], indirect=True)
def test_every_file_of_a_run_follows_the_umask(umask: int, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    done = inside("run", tmp_path / "study.toml", "--store", tmp_path / "store", "--quiet")
    assert done.exit_code == 0, done.stderr
    files = [p for p in (tmp_path / "store").rglob("*") if p.is_file()]
    assert {".json", ".safetensors", ".html", ".pdf"} <= {p.suffix for p in files}
    wrong = {p.name: oct(m) for p in files if (m := stat.S_IMODE(p.stat().st_mode)) != 0o666 & ~umask}
    assert wrong == {}
    folders = [p for p in (tmp_path / "store").rglob("*") if p.is_dir()]
    assert {stat.S_IMODE(p.stat().st_mode) for p in folders} == {0o777 & ~umask}


@pytest.mark.parametrize("command", ["run", "status"])
def test_a_store_that_is_a_file_is_told_at_once(command: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "file").write_text("")
    told = inside(command, tmp_path / "study.toml", "--store", tmp_path / "file")
    assert told.exit_code == 2
    assert "the store is a file" in told.stderr


@pytest.mark.parametrize("code", [13, 30])
def test_a_store_for_reading_only_is_told_before_anything_runs(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an error of the system, because root may write everywhere."""

    def refuses(**_: object) -> None:
        raise OSError(code, os.strerror(code), str(tmp_path))

    (tmp_path / "study.toml").write_text(STUDY)
    monkeypatch.setattr("eigencode.study.store.TemporaryFile", refuses)
    told = inside("run", tmp_path / "study.toml", "--store", tmp_path / "store")
    assert told.exit_code == 2
    assert "the store cannot be written" in told.stderr
    assert not (tmp_path / "store" / "steps").exists()


def test_a_file_of_somebody_else_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(13, os.strerror(13), "store/steps/initial-1/network.safetensors")

    (tmp_path / "study.toml").write_text(STUDY)
    monkeypatch.setattr("eigencode.report._listing.finished", refuses)
    told = inside("status", tmp_path / "study.toml", "--store", tmp_path / "store")
    assert told.exit_code == 1
    assert "Permission denied: store/steps/initial-1/network.safetensors" in told.stderr


def test_a_module_that_ends_the_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ends_the_run.py").write_text("import sys; sys.exit(0)")
    (tmp_path / "study.toml").write_text(STUDY + '[models.A]\nfactory = "ends_the_run:Net"\n')
    monkeypatch.syspath_prepend(tmp_path)
    for command in ("run", "status"):
        told = inside(command, tmp_path / "study.toml", "--store", tmp_path / "store")
        assert told.exit_code == 2
        assert "SystemExit: 0" in told.stderr


@pytest.mark.usefixtures("unchecked")
def test_a_store_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="the store cannot be written"):
        Store(tmp_path / "file" / "below").writable()
    assert Store(str(tmp_path)).writable().root == tmp_path
