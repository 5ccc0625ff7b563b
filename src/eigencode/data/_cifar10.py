"""CIFAR-10, binary version: 60 000 colour images of 32 x 32 pixels in ten classes.

A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009).
"""

from pathlib import Path

import numpy as np
import torch

from eigencode.base.errors import DataError
from eigencode.base.types import Images
from eigencode.data._checks import refuse_blank_images, refuse_wrong_labels
from eigencode.data._dataset import DataSet, Layout, Pair, Remote

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32

_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST = "test_batch.bin"


def read_cifar10(paths: tuple[Path, ...]) -> Pair:
    """Read CIFAR-10: training images from all files but the last, test images from the last.

    A record is one label byte and 3072 pixel bytes, all of the red channel row by row, then green, then blue.
    Files may hold any number of records.  If a `batches.meta.txt` lies beside them, it must name the ten classes
    in the original order.

    Raises:
        DataError: a file is empty or ends within a record, a label is above 9, an image is zero everywhere, or
            the classes have other names.
    """
    _refuse_other_classes(paths[0].parent / "batches.meta.txt")
    return _images(paths[:-1], "cifar10/train"), _images(paths[-1:], "cifar10/test")


def _images(paths: tuple[Path, ...], name: str) -> Images:
    counts = [_records_in(path) for path in paths]
    pixels = np.empty((sum(counts), RECORD - 1), np.uint8)
    labels = np.empty(sum(counts), np.uint8)
    start = 0
    for path, count in zip(paths, counts):
        part = slice(start, start + count)
        records = np.fromfile(path, np.uint8).reshape(count, RECORD)
        labels[part], pixels[part] = records[:, 0], records[:, 1:]
        refuse_wrong_labels(path, labels[part], CLASSES, lambda i: i * RECORD)
        refuse_blank_images(path, pixels[part], lambda i: i * RECORD + 1)
        start += count
    return Images(torch.from_numpy(pixels).view(-1, *SHAPE), torch.from_numpy(labels).long(), CLASSES, name)


def _records_in(path: Path) -> int:
    size = path.stat().st_size
    count, rest = divmod(size, RECORD)
    if rest or not count:
        raise DataError(
            f"{path}: {f'the file ends within record {count} (byte {size})' if rest else 'the file is empty'}",
            got=f"{size} bytes",
            wanted=f"a multiple of {RECORD}: 1 label and 3072 pixels per image",
            fix="the copy was cut off or is of another format: delete the file and fetch it again",
        )
    return count


def _refuse_other_classes(path: Path) -> None:
    if path.is_file():
        names = tuple(path.read_text(errors="replace").split())
        if names != CLASSES:
            raise DataError(
                f"{path}: the classes are not those of CIFAR-10",
                got=", ".join(names[:12]),
                wanted=", ".join(CLASSES),
                fix="delete the file and fetch the data set again, or load your own classes with folder:PATH",
            )


CIFAR10 = DataSet(
    name="cifar10",
    shape=SHAPE,
    n_train=50_000,
    n_test=10_000,
    classes=CLASSES,
    source="Krizhevsky 2009, binary version, https://www.cs.toronto.edu/~kriz/cifar.html",
    read=read_cifar10,
    layout=Layout(
        folders=(f"cifar10/{_FOLDER}", "cifar10", _FOLDER, ""),
        files=tuple((name,) for name in (*_TRAIN, _TEST)),
        lookalikes=(
            ("cifar-10-batches-py", "is the Python version: pickles, which are never read; take the binary version"),
            ("cifar-10-binary.tar.gz", "is still packed: unpack it with tar xzf"),
        ),
    ),
    remotes=(
        # MD5 c32a1d4ab5d03f1284b67883e8d87530 is given on the page of the data set; this SHA-256 of the same
        # file is the one TensorFlow Datasets checks (url_checksums/cifar10.txt).
        Remote(
            "cifar-10-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
            tuple(f"{_FOLDER}/{name}" for name in (*_TRAIN, _TEST)),
        ),
    ),
)
