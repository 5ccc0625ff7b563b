"""Where files are looked for, what is said when they are not there, and what `available` reports."""

import os
from pathlib import Path

import pytest
from fake_data import CIFAR_FILES, write_cifar, write_idx

import eigencode.data.catalogue as catalogue
from eigencode.base.errors import DataError, EigencodeWarning, InputError
from eigencode.data import available, fetch, load
from eigencode.data._files import cache_folder


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no environment variable, and a download that fails the test."""

    def refuse(data: object, root: Path) -> None:
        raise RuntimeError(f"download into {root}")

    monkeypatch.delenv("EIGENCODE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "download", refuse)


def first_pixel(root: Path | None = None) -> int:
    with pytest.warns(EigencodeWarning, match="20 training"):
        return int(load("cifar10", root)[0].pixels[0, 0, 0, 0])


def marked_cifar(root: Path, value: int) -> Path:
    """A copy whose first pixel is `value`, so that a test can tell which copy was read."""
    folder = write_cifar(root)
    content = bytearray((folder / CIFAR_FILES[0]).read_bytes())
    content[1] = value
    (folder / CIFAR_FILES[0]).write_bytes(content)
    return folder


def three_places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Copies in a given folder, in EIGENCODE_DATA's and in the cache whose first pixels are 1, 2 and 3."""
    roots = (tmp_path / "given", tmp_path / "environment", cache_folder())
    for value, root in enumerate(roots, start=1):
        marked_cifar(root / "cifar10", value)
    return roots


def test_given_folder_then_environment_then_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, environment, cache = three_places(tmp_path)
    assert first_pixel() == 3
    monkeypatch.setenv("EIGENCODE_DATA", str(environment))
    assert first_pixel() == 2
    assert first_pixel(given) == 1
    assert cache.parts[-2:] == ("cache", "eigencode")


def test_the_environment_folder_may_lack_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "environment" / "mnist")
    marked_cifar(cache_folder() / "cifar10", 7)
    monkeypatch.setenv("EIGENCODE_DATA", str(tmp_path / "environment"))
    assert first_pixel() == 7


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    marked_cifar(tmp_path / "pictures", 7)
    assert first_pixel(Path("~/pictures")) == 7
    monkeypatch.setenv("EIGENCODE_DATA", "~/pictures")
    assert first_pixel() == 7


def test_nothing_anywhere_starts_a_download_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIGENCODE_DATA", str(tmp_path))
    for call in (load, fetch):
        with pytest.raises(RuntimeError, match=f"download into {cache_folder()}"):
            call("cifar10")


def test_a_part_in_the_cache_is_a_download_that_goes_on() -> None:
    write_cifar(cache_folder() / "cifar10" / "cifar-10-batches-bin")
    (cache_folder() / "cifar10" / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    with pytest.raises(RuntimeError, match="download into"):
        load("cifar10")


def test_a_given_folder_without_the_set_never_starts_a_download(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load("cifar10", tmp_path)
    for part in (
        "cifar10: not found in the data folder",
        f"{tmp_path}/cifar10/cifar-10-batches-bin",
        f"{tmp_path}/cifar10,",
        "data_batch_1.bin",
        "test_batch.bin",
        f"eigencode data fetch cifar10 --data-dir {tmp_path}",
    ):
        assert part in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_often_mistaken_for_the_set_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match="cifar-10-batches-py is the Python version: pickles"):
        load("cifar10", tmp_path)
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar-10-binary.tar.gz").touch()
    with pytest.raises(DataError, match=r"cifar10/cifar-10-binary\.tar\.gz is still packed"):
        load("cifar10", tmp_path)


def test_a_folder_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"(?s)does not exist.*nowhere \(from data_dir\)"):
        load("mnist", tmp_path / "nowhere")
    monkeypatch.setenv("EIGENCODE_DATA", str(tmp_path / "typo"))
    with pytest.raises(DataError, match=r"(?s)does not exist.*typo \(from EIGENCODE_DATA\)"):
        load("mnist")
    load("digits")


@pytest.mark.parametrize("environment", [False, True])
def test_an_incomplete_copy_is_not_completed_silently(
    tmp_path: Path, environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path / "cifar10")
    (tmp_path / "cifar10" / "data_batch_3.bin").unlink()
    monkeypatch.setenv("EIGENCODE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"(?s)copy in {tmp_path}/cifar10 is not complete.*no data_batch_3.bin\n"):
        load("cifar10", None if environment else tmp_path)


def test_a_complete_copy_is_preferred_to_an_incomplete_one(tmp_path: Path) -> None:
    marked_cifar(tmp_path, 7)
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "data_batch_1.bin").touch()
    assert first_pixel(tmp_path) == 7


def test_a_folder_with_the_name_of_a_file_is_not_the_file(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    (tmp_path / "test_batch.bin").mkdir()
    with pytest.raises(DataError, match=r"no test_batch\.bin"):
        load("cifar10", tmp_path)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match=r"(?s)unknown data set.*'cifar_10'.*did you mean 'cifar10'"):
        load("cifar_10")
    with pytest.raises(InputError, match="unknown data set"):
        fetch("folder:here")


def test_available_reports_what_is_there(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar-10-batches-bin")
    write_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").unlink()
    rows = {row.name: row for row in available(tmp_path)}
    assert list(rows) == ["mnist5k", "digits", "crops", "cifar10", "mnist", "fashion_mnist"]
    assert {name: row.location for name, row in rows.items()} == {
        "mnist5k": "bundled",
        "digits": "bundled",
        "crops": "bundled",
        "cifar10": str(tmp_path / "cifar-10-batches-bin"),
        "mnist": "",
        "fashion_mnist": "",
    }
    assert [row.name for row in rows.values() if row.present] == ["mnist5k", "digits", "crops", "cifar10"]
    assert rows["cifar10"].scalars()["shape"] == [3, 32, 32]
    assert [row.present for row in available(tmp_path / "nowhere")] == [True, True, True, False, False, False]


@pytest.mark.parametrize("name", ["mnist5k", "digits", "crops"])
def test_the_table_tells_the_truth_about_bundled_sets(name: str) -> None:
    row = next(row for row in available() if row.name == name)
    for data_dir in (None, "/no/such/folder"):
        train, test = load(name, data_dir)
        assert (row.shape, row.train, row.test, row.classes) == (train.shape, len(train), len(test), train.class_names)


def test_the_table_agrees_with_the_readers(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar10")
    write_idx(tmp_path / "mnist")
    write_idx(tmp_path / "fashion_mnist")
    for row in available(tmp_path):
        if row.location != "bundled":
            with pytest.warns(EigencodeWarning, match=f"the original has {row.train} and {row.test}"):
                train, _ = load(row.name, tmp_path)
            assert (row.shape, row.classes) == (train.shape, train.class_names)


def test_fetch_does_nothing_for_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path / "cifar10")
    assert fetch("cifar10", tmp_path).location == str(tmp_path / "cifar10")
    assert fetch("digits", tmp_path).location == "bundled"
    monkeypatch.setenv("EIGENCODE_DATA", str(tmp_path))
    assert fetch("cifar10").location == str(tmp_path / "cifar10")


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = write_cifar(tmp_path) / "test_batch.bin"
    file.chmod(0)
    with pytest.raises(DataError, match=r"(?s)cifar10: a file cannot be read.*test_batch"):
        load("cifar10", tmp_path)


def test_any_failure_of_the_disk_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> tuple[object, object]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(catalogue, "read_folder", fail)
    with pytest.raises(DataError, match=r"(?s)folder:x: a file cannot be read.*Permission denied"):
        load("folder:x", tmp_path)
