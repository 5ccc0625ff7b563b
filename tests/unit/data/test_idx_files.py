"""Reading MNIST and Fashion-MNIST: values, all spellings of the files, and every way they can be wrong."""

import gzip
from pathlib import Path

import pytest
import torch
from fake_data import IDX_FILES, idx, idx_contents, write_idx
from hypothesis import HealthCheck, given, settings, strategies as st

from eigencode.base.errors import DataError, EigencodeWarning
from eigencode.data import load
from eigencode.data._idx import FIRST_LABELS, read_idx
from eigencode.data._mnist import MNIST

SMALL = "12 training and 12 test images; the original has 60000 and 10000"


def paths_in(folder: Path, packed: bool = False) -> tuple[Path, ...]:
    return tuple(folder / (name + ".gz" * packed) for name in IDX_FILES)


def test_pixels_and_labels(tmp_path: Path) -> None:
    train, test = MNIST.read(paths_in(write_idx(tmp_path)))
    raw = idx_contents()
    assert (train.name, test.name, train.shape, train.pixels.dtype) == (
        "mnist/train",
        "mnist/test",
        (1, 28, 28),
        torch.uint8,
    )
    for images, name in ((train, IDX_FILES[0]), (test, IDX_FILES[2])):
        for n, row, column in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (5, 27, 27), (11, 13, 2)):
            assert int(images.pixels[n, 0, row, column]) == raw[name][16 + n * 784 + row * 28 + column]
        assert images.y.tolist() == [i % 10 for i in range(12)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw", "mnist/MNIST/raw", "MNIST"])
def test_every_known_spelling(tmp_path: Path, packed: bool, dot: bool, below: str) -> None:
    write_idx(tmp_path / below, packed=packed, dot=dot)
    with pytest.warns(EigencodeWarning, match=SMALL):
        train, test = load("mnist", tmp_path)
    assert len(train) == len(test) == 12


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_each_set_is_taken_from_its_own_folder(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / "mnist", seed=1)
    write_idx(tmp_path / "fashion_mnist", seed=2)
    with pytest.warns(EigencodeWarning, match=SMALL):
        train, _ = load(name, tmp_path)
    assert train.name == f"{name}/train"
    assert int(train.pixels[0, 0, 0, 0]) == idx_contents(seed=1 if name == "mnist" else 2)[IDX_FILES[0]][16]
    assert train.class_names[9] == ("9" if name == "mnist" else "Ankle boot")


def test_a_folder_of_its_own_is_preferred_to_files_in_the_data_folder(tmp_path: Path) -> None:
    write_idx(tmp_path, seed=1)
    write_idx(tmp_path / "fashion_mnist", seed=2)
    with pytest.warns(EigencodeWarning, match=SMALL):
        train, _ = load("fashion_mnist", tmp_path)
    assert int(train.pixels[0, 0, 0, 0]) == idx_contents(seed=2)[IDX_FILES[0]][16]


@pytest.mark.parametrize("split", [0, 1])
def test_the_files_of_the_other_set_are_noticed(tmp_path: Path, split: int) -> None:
    paths = paths_in(write_idx(tmp_path, n=10))
    paths[1 + 2 * split].write_bytes(idx((10,), bytes(FIRST_LABELS["fashion_mnist"][split])))
    with pytest.raises(DataError, match="these are the labels of fashion_mnist, not of mnist"):
        load("mnist", tmp_path)
    with pytest.warns(EigencodeWarning):
        load("fashion_mnist", tmp_path)


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    file = tmp_path / "renamed"
    file.write_bytes(gzip.compress(idx((2,), b"\1\2"), mtime=0))
    assert read_idx(file, 1).tolist() == [1, 2]
    named = tmp_path / "unpacked.gz"
    named.write_bytes(idx((2,), b"\1\2"))
    assert read_idx(named, 1).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"(?s)not an IDX file.*begins with nothing"),
        (b"\0\0\x08\3", r"not an IDX file of unsigned bytes with 1 axis"),
        (b"\0\0\x0d\1\0\0\0\1\7", r"(?s)not an IDX file.*begins with 00 00 0d 01.*begin with 00 00 08 01"),
        (b"<!DOCTYPE html>", "not an IDX file"),
        (idx((2,), b"\1\2")[:6], "(?s)not an IDX file.*a header of 6 bytes"),
        (idx((0,), b""), "the file is empty"),
        (idx((5,), b"\1\2"), r"(?s)the file is cut off.*ends in record 2 \(byte 10\).*5 bytes: 5, after a header of 8"),
        (idx((2**32 - 1,), b"\1\2"), "the file is cut off"),
        (idx((2,), b"\1\2\3"), "the file is longer than its header says"),
        (gzip.compress(idx((5,), b"\1\2"), mtime=0), "the file is cut off"),
        (gzip.compress(idx((50,), bytes(50)), mtime=0)[:-9], "gzip data is cut off or damaged"),
        (gzip.compress(idx((50,), bytes(50)), mtime=0)[:5], "gzip data is cut off or damaged"),
        (gzip.compress(idx((5,), bytes(5)), mtime=0)[:-8] + bytes(8), "gzip data is cut off or damaged"),
        (gzip.compress(idx((5,), bytes(5)), mtime=0)[:10] + b"\x07" * 40, "gzip data is cut off or damaged"),
    ],
)
def test_a_damaged_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(DataError, match=rf"{tmp_path}/labels: ") as caught:
        read_idx(tmp_path / "labels", 1)
    assert caught.match(message)


def test_a_file_of_images_cut_within_an_image(tmp_path: Path) -> None:
    paths = paths_in(write_idx(tmp_path))
    paths[0].write_bytes(paths[0].read_bytes()[: 16 + 784 * 3 + 10])
    with pytest.raises(DataError, match=r"(?s)train-images-idx3-ubyte: .*ends in record 3 \(byte 2378\).*12 x 28 x 28"):
        MNIST.read(paths)


def test_images_of_another_size(tmp_path: Path) -> None:
    paths = paths_in(write_idx(tmp_path))
    paths[2].write_bytes(idx((12, 16, 49), bytes([1]) * 12 * 784))
    with pytest.raises(DataError, match=r"(?s)t10k-images-idx3-ubyte: images of another size.*16 x 49"):
        MNIST.read(paths)


def test_more_labels_than_images(tmp_path: Path) -> None:
    paths = paths_in(write_idx(tmp_path))
    paths[1].write_bytes(idx((13,), bytes(13)))
    with pytest.raises(DataError, match=r"(?s)train-labels-idx1-ubyte: not one label per image.*13 labels for the 12"):
        MNIST.read(paths)


def test_images_and_labels_exchanged(tmp_path: Path) -> None:
    paths = paths_in(write_idx(tmp_path))
    with pytest.raises(DataError, match="not an IDX file of unsigned bytes with 3 axes"):
        MNIST.read((paths[1], paths[0], *paths[2:]))


def test_a_label_that_is_no_class(tmp_path: Path) -> None:
    paths = paths_in(write_idx(tmp_path))
    paths[3].write_bytes(idx((12,), bytes([0] * 7 + [17] + [0] * 4)))
    with pytest.raises(DataError, match=r"(?s)t10k-labels-idx1-ubyte: 1 record with.*label 17 in record 7 \(byte 15\)"):
        MNIST.read(paths)


def test_a_black_image(tmp_path: Path) -> None:
    paths = paths_in(write_idx(tmp_path))
    content = bytearray(paths[0].read_bytes())
    content[16 + 784 * 4 : 16 + 784 * 6] = bytes(784 * 2)
    paths[0].write_bytes(content)
    with pytest.raises(DataError, match=r"(?s)2 images zero everywhere.*record 4 \(byte 3152\)"):
        MNIST.read(paths)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), packed=st.booleans())
def test_a_truncated_or_overwritten_file_is_refused_or_read_never_anything_else(
    tmp_path: Path, data: st.DataObject, packed: bool
) -> None:
    folder = write_idx(tmp_path / "fuzz", n=3, packed=packed)
    paths = paths_in(folder, packed)
    try:
        file = paths[data.draw(st.integers(0, 3))]
        content = bytearray(file.read_bytes())
        if data.draw(st.booleans()):
            del content[data.draw(st.integers(0, len(content) - 1)) :]
            file.write_bytes(content)
            with pytest.raises(DataError, match=file.name):
                MNIST.read(paths)
        else:
            content[data.draw(st.integers(0, min(30, len(content) - 1)))] = data.draw(st.integers(0, 255))
            file.write_bytes(content)
            train, test = MNIST.read(paths)
            assert len(train) == len(test) == 3
    except DataError:
        pass
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
