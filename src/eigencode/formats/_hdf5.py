"""HDF5 files: MATLAB v7.3, whose reversed axes are restored, and the checks of every HDF5 file."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from eigencode.base.errors import DataError
from eigencode.base.reading import affordable
from eigencode.formats.stored import Stored, once

WHOLE = "store it without compression and unwritten parts, in the smallest type that holds the numbers"


def hdf5_file(path: Path) -> dict[str, Stored]:
    """The data sets of a MATLAB v7.3 file; those in a group are called `group.name`."""
    found = {}

    def visit(name: str, item: Any) -> None:
        if name.startswith("#") or item.parent.attrs.get("MATLAB_sparse") is not None:  # "#refs#": what cells point to
            return
        label = name.replace("/", ".")
        if item.attrs.get("MATLAB_sparse") is not None:
            found[label] = Stored((), "sparse", False, once(lambda: np.zeros(0, object)))
        elif isinstance(item, h5py.Dataset):
            word = item.attrs.get("MATLAB_class", b"")
            word = word.decode() if isinstance(word, bytes) else str(word)
            empty = bool(item.attrs.get("MATLAB_empty", 0))
            shape = tuple(int(n) for n in item[()].ravel()) if empty else item.shape[::-1]
            numeric = item.dtype.kind in "biuf" and word not in ("char", "cell", "struct", "function_handle")
            names = {"O": "cell", "V": "complex or compound"}
            kind = "text" if word == "char" else names.get(item.dtype.kind, item.dtype.name)
            found[label] = Stored(shape, kind, numeric, once(partial(_read, path, name, shape)))

    with h5py.File(path, "r") as file:
        refuse_oddities(path, file)
        file.visititems(visit)
    return found


def refuse_oddities(path: Path, file: Any) -> None:
    """Raise `DataError` if a part of the file lies in another one, which the file itself names, or is too large."""
    elsewhere: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def visit(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            elsewhere[name] = link.filename
        elif isinstance(link, h5py.HardLink) and isinstance(item := file[name], h5py.Dataset):
            if item.external or item.is_virtual:
                others = item.external or item.virtual_sources()
                elsewhere[name] = others[0][0] if item.external else others[0].file_name
            sizes[name] = math.prod(item.shape or ()) * max(item.dtype.itemsize, 4)

    file.visititems_links(visit)
    for name, size in sizes.items():
        affordable(f"{path}: {name}", size, path.stat().st_size, WHOLE)
    if elsewhere:
        turned = ".T" * (path.suffix.lower() == ".mat")
        copy = f"**{{name: old[name][()]{turned} for name in {list(elsewhere)}}}"
        raise DataError(
            f"{path}: some of its data sets are stored in other files, which are not read",
            got=", ".join([f"{name} in {file}" for name, file in elsewhere.items()][:4]),
            wanted="every data set stored in this file",
            fix=f"copy them into one file: old = h5py.File({str(path)!r}); np.savez('whole.npz', {copy})",
        )


def _read(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    with h5py.File(path, "r") as file:
        item = file[name]
        if item.attrs.get("MATLAB_empty", 0):
            affordable(f"{path}: {name}", 8 * math.prod(shape), path.stat().st_size, WHOLE)
            return np.zeros(shape)
        values = item[()]
        if h5py.check_ref_dtype(item.dtype) is None:
            return np.asarray(values).T
        pointed = np.empty(values.shape, dtype=object)  # a cell, or a field of a struct array
        for place, reference in np.ndenumerate(values):
            pointed[place] = np.asarray(file[reference][()]).T
        return pointed.T
