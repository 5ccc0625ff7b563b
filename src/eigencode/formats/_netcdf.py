"""netCDF files, version 3 and 4 (HDF5)."""

from collections.abc import Hashable
from functools import partial
from pathlib import Path

import h5netcdf
import h5py
import numpy as np
import xarray

from eigencode.formats._hdf5 import refuse_oddities
from eigencode.formats.stored import Stored, once

assert h5netcdf  # xarray imports it when it needs it: limits are set after all imports


def netcdf_file(path: Path) -> dict[str, Stored]:
    """The variables of a netCDF file, with the names of their axes; of three or more, none of length 1."""
    engine = "h5netcdf" if h5py.is_hdf5(path) else "scipy"
    if engine == "h5netcdf":
        with h5py.File(path, "r") as file:
            refuse_oddities(path, file)

    def read(name: Hashable) -> np.ndarray:
        with xarray.open_dataset(path, engine=engine, decode_times=False) as data:
            values = np.asarray(data.variables[name].values)
            return values.reshape([values.shape[k] for k in _kept(values.shape)])

    found = {}
    with xarray.open_dataset(path, engine=engine, decode_times=False) as data:
        for name, v in data.variables.items():
            kept = _kept(v.shape)
            shape, axes = tuple(v.shape[k] for k in kept), tuple(str(v.dims[k]) for k in kept)
            found[str(name)] = Stored(shape, v.dtype.name, v.dtype.kind in "biuf", once(partial(read, name)), axes)
    return found


def _kept(shape: tuple[int, ...]) -> list[int]:
    """Axes that matter: without those of length 1, the last ones first, as long as two are left."""
    kept = list(range(len(shape)))
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1 and len(kept) > 2:
            kept.remove(axis)
    return kept
