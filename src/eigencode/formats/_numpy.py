"""`.npy` and `.npz` files: headers are read first, and an array only if its file can hold it."""

import math
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eigencode.base.errors import DataError
from eigencode.base.reading import CUT_OFF, affordable, reading
from eigencode.formats.stored import Stored, in_memory

MAGIC = b"\x93NUMPY"
UNPACKED = "np.savez(path, name=x), not compressed, and in the smallest type that holds the numbers"
AS_PLAIN = "save x.astype('float32') for numbers, x.astype(str) for names"


def numpy_file(path: Path) -> dict[str, Stored]:
    """The arrays of a `.npy` or `.npz` file, by their content; the one of a `.npy` file is called `array`."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            file.seek(0)
            return {"array": _described(path, "array", file)}
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: the file cannot be read", got="neither a .npy nor a .npz file", fix=CUT_OFF)
    found = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".npy"):
                continue
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{path}: packed in a way that numpy never uses", got=member.filename, fix=UNPACKED)
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as part:
                found[name] = _described(path, name, part)
    return found


def _described(path: Path, name: str, file: Any) -> Stored:
    """Describe an array by the header at the start of `file`."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = header(file)
    if kind.hasobject:
        return Stored((), "object (pickled)", False, partial(_refuse, f"{path}: {name}"))
    empty = in_memory(np.empty((0,) * len(shape), kind))
    return Stored(shape, empty.kind, empty.numeric, partial(_read, path, name, shape, kind.itemsize))


def _read(path: Path, name: str, shape: tuple[int, ...], itemsize: int, field: str = "") -> np.ndarray:
    where = f"{path}: {name}"
    affordable(where, math.prod(shape) * max(itemsize, 4), path.stat().st_size, UNPACKED)
    with reading(f"{where}: the file cannot be read", fix=CUT_OFF):
        loaded = np.load(path)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return np.asarray(loaded[name])


def _refuse(where: str, field: str = "") -> np.ndarray:
    raise DataError(f"{where} holds pickled objects, which are not read", fix=AS_PLAIN)
