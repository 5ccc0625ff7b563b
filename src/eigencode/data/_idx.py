"""Read the IDX format of MNIST and its successors, plain or gzipped.

Two zero bytes, a type code (8: unsigned bytes), the number of axes, the length of each axis as a big-endian 32-bit
number, then the values, last axis fastest (Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits).
"""

import gzip
import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from eigencode.base.errors import DataError
from eigencode.base.reading import affordable, reading
from eigencode.base.types import Images
from eigencode.data._checks import Bytes, refuse_blank_images, refuse_wrong_labels
from eigencode.data._dataset import DataSet, Layout, Pair, Remote

FIRST_LABELS = {
    "mnist": ((5, 0, 4, 1, 9, 2, 1, 3, 1, 4), (7, 2, 1, 0, 4, 1, 4, 9, 5, 9)),
    "fashion_mnist": ((9, 0, 0, 3, 0, 2, 7, 2, 5, 5), (9, 2, 1, 1, 6, 1, 4, 6, 5, 7)),
}
"""First ten labels of training and test set, to tell apart data sets that share all file names."""

_FIX = "the copy was cut off or is of another format: delete the file and fetch it again"
_PIECE = 1 << 20


def read_idx(path: Path, axes: int, size: tuple[int, ...] = ()) -> Bytes:
    """Read an IDX file of unsigned bytes with this number of axes, plain or gzipped.

    Args:
        size: lengths of all axes but the first.

    Raises:
        DataError: not an IDX file of that kind, other lengths, an axis of length 0, cut off, longer than its header
            says, far larger than the file, or damaged gzip data.
    """
    head = 4 + 4 * axes
    with reading(f"{path}: the gzip data is cut off or damaged", fix=_FIX):
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            header = file.read(head)
            shape = _shape(path, header, axes, size)
            values = bytearray()
            total = math.prod(shape)
            if packed:
                affordable(str(path), total, path.stat().st_size, _FIX)
            while len(values) <= total and (piece := file.read(min(_PIECE, total + 1 - len(values)))):
                values += piece
    if len(values) != total:
        what = "the file is cut off" if len(values) < total else "the file is longer than its header says"
        item = total // shape[0]
        raise DataError(
            f"{path}: {what}",
            got=f"{len(values)} bytes of values: it ends in record {len(values) // item} (byte {head + len(values)})"
            if len(values) < total
            else f"more than {total} bytes of values",
            wanted=f"{total} bytes: {' x '.join(map(str, shape))}, after a header of {head}",
            fix=_FIX,
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def read_idx_pair(paths: tuple[Path, ...], name: str, classes: Sequence[str], size: tuple[int, int]) -> Pair:
    """Read (train, test) from the files of training images, training labels, test images and test labels.

    Raises:
        DataError: a damaged file; images of another size; not one label per image; a label that is no class; an
            image that is zero everywhere; or the first labels of another data set.
    """
    train = _images(paths[0], paths[1], f"{name}/train", classes, size)
    test = _images(paths[2], paths[3], f"{name}/test", classes, size)
    for path, images, split in ((paths[1], train, 0), (paths[3], test, 1)):
        first = tuple(images.y[:10].tolist())
        for other, starts in FIRST_LABELS.items():
            if other != name and first == starts[split]:
                raise DataError(
                    f"{path}: these are the labels of {other}, not of {name}",
                    got=f"labels {', '.join(map(str, first))} ...",
                    fix=f"load {other!r}, or correct the data folder",
                )
    return train, test


def idx_data_set(
    name: str,
    folder: str,
    classes: tuple[str, ...],
    source: str,
    mirrors: Sequence[str],
    files: dict[str, tuple[int, str]],
) -> DataSet:
    """A data set of 60 000 training and 10 000 test images of 28 x 28 grey pixels, like MNIST.

    Args:
        folder: name of the subfolder that other libraries use; files in it may be plain or gzipped, named with a dash
            or a dot.
        files: size and SHA-256 of each file, by name, to be downloaded from any of the `mirrors`.
    """
    kinds = ("images", "idx3"), ("labels", "idx1")
    names = [
        tuple(f"{part}-{kind}{dash}{idx}-ubyte{end}" for dash in "-." for end in ("", ".gz"))
        for part in ("train", "t10k")
        for kind, idx in kinds
    ]
    return DataSet(
        name=name,
        shape=(1, 28, 28),
        n_train=60_000,
        n_test=10_000,
        classes=classes,
        source=source,
        read=lambda paths: read_idx_pair(paths, name, classes, (28, 28)),
        layout=Layout((name, f"{name}/{folder}/raw", f"{folder}/raw", folder, ""), tuple(names)),
        remotes=tuple(
            Remote(file, tuple(f"{mirror}/{file}" for mirror in mirrors), sha256, size)
            for file, (size, sha256) in files.items()
        ),
    )


def _shape(path: Path, header: bytes, axes: int, size: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the array from the header of an IDX file."""
    magic = bytes((0, 0, 8, axes))
    if header[:4] != magic or len(header) < 4 + 4 * axes:
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes with {axes} {'axes' if axes > 1 else 'axis'}",
            got=f"a header of {len(header)} bytes that begins with {header[:4].hex(' ') or 'nothing'}",
            wanted=f"{4 + 4 * axes} bytes that begin with {magic.hex(' ')}",
            fix=_FIX,
        )
    shape = struct.unpack(f">{axes}I", header[4:])
    if 0 in shape:
        raise DataError(f"{path}: the file is empty", got=f"axes of length {shape}", wanted="at least 1", fix=_FIX)
    if size and shape[1:] != size:
        raise DataError(
            f"{path}: images of another size",
            got="{} x {} pixels".format(*shape[1:]),
            wanted="{} x {}".format(*size),
            fix="this is another data set: correct the data folder",
        )
    return shape


def _images(images: Path, labels: Path, name: str, classes: Sequence[str], size: tuple[int, int]) -> Images:
    pixels, y = read_idx(images, 3, size), read_idx(labels, 1)
    if len(pixels) != len(y):
        raise DataError(
            f"{labels}: not one label per image",
            got=f"{len(y)} labels for the {len(pixels)} images of {images.name}",
            fix="the files belong to different sets: delete both and fetch them again",
        )
    refuse_wrong_labels(labels, y, classes, lambda i: 8 + i)
    refuse_blank_images(images, pixels.reshape(len(pixels), -1), lambda i: 16 + i * size[0] * size[1])
    return Images(torch.from_numpy(pixels)[:, None], torch.from_numpy(y).long(), tuple(classes), name)
