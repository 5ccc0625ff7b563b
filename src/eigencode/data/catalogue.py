"""The data sets that can be loaded by name: `load`, `fetch` and `available`."""

import inspect
import os
import warnings
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigencode.base.border import admit
from eigencode.base.errors import DataError, EigencodeWarning, InputError, nearest
from eigencode.base.reading import reading
from eigencode.base.record import Record
from eigencode.data._cifar10 import CIFAR10
from eigencode.data._dataset import DataSet, Pair
from eigencode.data._digits import DIGITS
from eigencode.data._download import download
from eigencode.data._fashion_mnist import FASHION_MNIST
from eigencode.data._files import Where, cache_folder, find, locate
from eigencode.data._mnist import MNIST
from eigencode.data._mnist5k import MNIST5K
from eigencode.data.crops import CROPS
from eigencode.data.folder import read_folder

TABLE: dict[str, DataSet] = {d.name: d for d in (MNIST5K, DIGITS, CROPS, CIFAR10, MNIST, FASHION_MNIST)}

_FOLDER = "folder:"


@dataclass(frozen=True)
class Available(Record):
    """Entry of the list of data sets.

    `location` is the folder of the local copy, "bundled", or "" where there is none; `train` and `test` count the
    images of the original.
    """

    name: str
    shape: tuple[int, int, int]
    train: int
    test: int
    classes: tuple[str, ...]
    source: str
    present: bool
    location: str


def load(name: str, data_dir: Where = None, **folder: Any) -> Pair:
    """Load training and test images of a data set by name.

    Args:
        name: `mnist5k`, `digits` and `crops` need no files.  `cifar10`, `mnist` and `fashion_mnist` are looked for
            in the data folder, and downloaded into the cache if none is given.  `folder:PATH` reads any tree with
            one sub-folder per class (see `read_folder`); a relative PATH starts at `data_dir`, if given.
        data_dir: a data folder, instead of the environment variable `EIGENCODE_DATA` and the cache.  Nothing is
            ever downloaded into it: use `fetch`.
        folder: `classes`, `resize`, `crop`, `split` and `seed` of `read_folder`, for `folder:PATH` alone.

    Returns:
        (train, test), named like `cifar10/train`.  Local files are checked for format and size, not for checksum;
        `Images.sha256` identifies their content.

    Raises:
        InputError: unknown name.
        DataError: files that are missing, cut off, mislabelled or blank, or a download that failed.

    Warns:
        EigencodeWarning: the local copy has another number of images than the original.

    >>> train, test = load("digits")
    >>> train.name, len(train), len(test), train.shape
    ('digits/train', 1438, 359, (1, 8, 8))
    """
    admit(load, locals())
    own = dict.fromkeys(inspect.signature(read_folder).parameters)
    wrong = [word for word in folder if word not in own or not name.startswith(_FOLDER)]
    if wrong:
        raise InputError(
            f"{name}: no such setting", got=", ".join(wrong), wanted="classes, resize, crop, split, seed of folder:PATH"
        )
    if name.startswith(_FOLDER):
        with _reading(name):
            return read_folder(_folder_path(name, data_dir), **folder)
    data = _entry(name)
    paths = _files(data, data_dir)
    with _reading(name):
        train, test = data.read(paths)
    if (len(train), len(test)) != (data.n_train, data.n_test):
        warnings.warn(
            f"{name}: {len(train)} training and {len(test)} test images; the original has {data.n_train} and "
            f"{data.n_test}",
            EigencodeWarning,
            stacklevel=2,
        )
    return train, test


def fetch(name: str, data_dir: Where = None) -> Available:
    """Download a data set unless there is a local copy, and return its entry.  Prints nothing.

    Args:
        name: as for `load`.
        data_dir: the folder to download into, made if it does not exist; by default the cache.

    Raises:
        InputError: unknown name.
        DataError: the download failed or the folder cannot be written.

    >>> fetch("digits").location
    'bundled'
    """
    admit(fetch, locals())
    data = _entry(name)
    if data_dir is None:
        _files(data, None)
    elif locate(data.layout, root := Path(data_dir).expanduser()) is None:
        download(data, root)
    return _describe(data, data_dir)


def available(data_dir: Where = None) -> tuple[Available, ...]:
    """List all data sets and whether there is a local copy; reads and downloads nothing.

    >>> [d.name for d in available() if d.location == "bundled"]
    ['mnist5k', 'digits', 'crops']
    """
    admit(available, locals())
    return tuple(_describe(data, data_dir) for data in TABLE.values())


def _entry(name: str) -> DataSet:
    if name not in TABLE:
        raise InputError(
            "unknown data set",
            got=repr(name),
            wanted=", ".join([*TABLE, "folder:PATH"]),
            fix=nearest(name, list(TABLE)),
        )
    return TABLE[name]


def _files(data: DataSet, data_dir: Where) -> tuple[Path, ...]:
    """Find the files of a data set; download them into the cache if there are none."""
    if data.bundled:
        return ()
    paths = find(data, data_dir)
    if paths is None:
        download(data, cache_folder())
        paths = find(data, data_dir)
    if paths is None:
        raise DataError(f"{data.name}: the download lacks a file", wanted=f"a complete set in {cache_folder()}")
    return paths


def _folder_path(name: str, data_dir: Where) -> Path:
    path = name.removeprefix(_FOLDER)
    if not path:
        raise InputError("which folder?", got=repr(name), wanted="folder:PATH, e.g. folder:photos/birds")
    return Path(os.fspath(data_dir or "")).expanduser() / Path(path).expanduser()


def _reading(name: str) -> AbstractContextManager[None]:
    """Turn errors of the system, such as missing permissions, and folders in folders without end into `DataError`."""
    wanted, fix, of = "files this user may read", "check the permissions", (OSError, RecursionError, MemoryError)
    return reading(f"{name}: a file cannot be read", of=of, wanted=wanted, fix=fix)


def _describe(data: DataSet, data_dir: Where) -> Available:
    location = "bundled" if data.bundled else ""
    if not data.bundled:
        with suppress(DataError):  # an incomplete copy or a wrong folder is as good as none; `load` says which
            paths = find(data, data_dir)
            location = str(paths[0].parent) if paths else ""
    row = (data.name, data.shape, data.n_train, data.n_test, data.classes, data.source)
    return Available(*row, bool(location), location)
