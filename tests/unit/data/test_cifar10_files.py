"""Reading CIFAR-10 archives: values, and a clear error for every way a file can be wrong."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_data import CIFAR_FILES, cifar_record, write_cifar
from hypothesis import HealthCheck, given, settings, strategies as st

from eigencode.base.errors import DataError, EigencodeWarning
from eigencode.data import load
from eigencode.data._cifar10 import CLASSES, read_cifar10


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, ...]:
    folder = write_cifar(tmp_path / "cifar-10-batches-bin")
    return tuple(folder / name for name in CIFAR_FILES)


def test_every_pixel_and_label_is_where_the_format_says(paths: tuple[Path, ...]) -> None:
    train, test = read_cifar10(paths)
    assert (len(train), len(test), train.shape) == (20, 4, (3, 32, 32))
    assert (train.name, test.name, train.class_names) == ("cifar10/train", "cifar10/test", CLASSES)
    assert train.pixels.dtype == torch.uint8
    for images, number, record, position in ((train, 0, 0, 0), (train, 3, 2, 14), (test, 5, 1, 1)):
        raw = cifar_record(record % 10, 100 * number + record)
        assert int(images.y[position]) == raw[0]
        for channel, row, column in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 31), (1, 17, 5)):
            assert int(images.pixels[position, channel, row, column]) == raw[1 + channel * 1024 + row * 32 + column]


@pytest.mark.parametrize("below", ["", "cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
@pytest.mark.parametrize("kind", [str, Path])
def test_found_below_the_data_folder(tmp_path: Path, below: str, kind: type) -> None:
    write_cifar(tmp_path / below)
    with pytest.warns(EigencodeWarning, match="20 training and 4 test images; the original has 50000 and 10000"):
        train, _ = load("cifar10", kind(tmp_path))
    assert len(train) == 20


def test_files_may_hold_different_numbers_of_records(paths: tuple[Path, ...]) -> None:
    paths[2].write_bytes(cifar_record(3, 1) * 7)
    train, _ = read_cifar10(paths)
    assert len(train) == 23
    assert train.y[8:15].tolist() == [3] * 7


@pytest.mark.parametrize("file", [0, 4, 5])
def test_a_file_cut_within_a_record(paths: tuple[Path, ...], file: int) -> None:
    paths[file].write_bytes(paths[file].read_bytes()[: 3073 * 2 + 5])
    with pytest.raises(DataError, match=rf"{CIFAR_FILES[file]}: the file ends within record 2 \(byte 6151\)"):
        read_cifar10(paths)


def test_an_empty_file(paths: tuple[Path, ...]) -> None:
    paths[1].write_bytes(b"")
    with pytest.raises(DataError, match=r"data_batch_2\.bin: the file is empty"):
        read_cifar10(paths)


def test_a_label_that_is_no_class(paths: tuple[Path, ...]) -> None:
    content = bytearray(paths[3].read_bytes())
    content[3073 * 1], content[3073 * 3] = 10, 255
    paths[3].write_bytes(content)
    with pytest.raises(
        DataError, match=r"(?s)data_batch_4.bin: 2 records with a label.*label 10 in record 1 .byte 3073"
    ):
        read_cifar10(paths)


def test_a_black_image(paths: tuple[Path, ...]) -> None:
    content = bytearray(paths[5].read_bytes())
    content[3073 * 2 + 1 : 3073 * 3] = bytes(3072)
    paths[5].write_bytes(content)
    with pytest.raises(DataError, match=r"(?s)test_batch.bin: 1 image zero everywhere.*record 2 \(byte 6147\)"):
        read_cifar10(paths)


def test_one_bright_pixel_is_enough(paths: tuple[Path, ...]) -> None:
    paths[5].write_bytes(bytes([1]) + bytes(3071) + b"\x01")
    assert int(read_cifar10(paths)[1].pixels.sum()) == 1


def test_class_names_beside_the_files_are_compared(paths: tuple[Path, ...]) -> None:
    meta = paths[0].parent / "batches.meta.txt"
    meta.write_text("\n".join(CLASSES) + "\n\n")
    read_cifar10(paths)
    meta.write_text("\n".join(reversed(CLASSES)))
    with pytest.raises(DataError, match=r"batches\.meta\.txt: the classes are not those of CIFAR-10"):
        read_cifar10(paths)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.integers(0, 5), keep=st.integers(0, 4 * 3073 - 1))
def test_a_truncated_file_is_read_whole_or_refused(tmp_path: Path, file: int, keep: int) -> None:
    folder = write_cifar(tmp_path / "cut")
    paths = tuple(folder / name for name in CIFAR_FILES)
    paths[file].write_bytes(paths[file].read_bytes()[:keep])
    if keep % 3073 == 0 and keep:
        train, test = read_cifar10(paths)
        assert len(train) + len(test) == 20 + keep // 3073
    else:
        with pytest.raises(DataError, match=CIFAR_FILES[file]):
            read_cifar10(paths)


def test_sixty_thousand_images_load_in_a_second_as_bytes(tmp_path: Path) -> None:
    records = np.random.default_rng(0).integers(0, 10, (10_000, 3073), dtype=np.uint8)
    for name in CIFAR_FILES:
        records.tofile(tmp_path / name)
    load("cifar10", tmp_path)  # the system's file cache
    start = time.process_time()  # not the clock: other processes may be busy
    train, test = load("cifar10", tmp_path)
    assert time.process_time() - start < 1
    assert (len(train), len(test), train.pixels.dtype) == (50_000, 10_000, torch.uint8)
    assert train.pixels.untyped_storage().nbytes() == 50_000 * 3072
