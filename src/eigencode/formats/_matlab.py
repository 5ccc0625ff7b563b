"""MATLAB files: v4 to v7.2, which scipy reads, and v7.3, which are HDF5."""

import math
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from scipy.io import loadmat, whosmat

from eigencode.base.reading import affordable
from eigencode.formats._hdf5 import WHOLE, hdf5_file
from eigencode.formats.stored import Stored, in_memory, once

KINDS = {"double": "float64", "single": "float32", "logical": "bool", "char": "text"}
NUMBERS = {"double", "single", "logical", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}


def matlab_file(path: Path) -> dict[str, Stored]:
    """The variables of a MATLAB file; the field of a single struct is called `struct.field`."""
    if h5py.is_hdf5(path):
        return hdf5_file(path)
    found = {}
    for name, shape, kind in whosmat(path, appendmat=False):
        if name.startswith("__"):  # MATLAB's own
            continue
        affordable(f"{path}: {name}", 4 * math.prod(shape), path.stat().st_size, WHOLE)
        if kind == "struct" and math.prod(shape) == 1:
            struct = _read(path, name)
            fields = struct.dtype.names or ()
            found.update({f"{name}.{field}": in_memory(np.asarray(struct[field].flat[0])) for field in fields})
        else:
            read = once(partial(_read, path, name))
            found[name] = Stored(shape, KINDS.get(kind, kind), kind in NUMBERS, read)
    return found


def _read(path: Path, name: str) -> np.ndarray:
    return np.asarray(loadmat(path, appendmat=False, variable_names=[name])[name])
