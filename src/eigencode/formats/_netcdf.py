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
    """The variables of a netCDF file, with the names of their axes."""
    engine = "h5netcdf" if h5py.is_hdf5(path) else "scipy"
    if engine == "h5netcdf":
        with h5py.File(path, "r") as file:
            refuse_oddities(path, file)

    def read(name: Hashable) -> np.ndarray:
        with xarray.open_dataset(path, engine=engine, decode_times=False) as data:
            return np.asarray(data.variables[name].values)

    found = {}
    with xarray.open_dataset(path, engine=engine, decode_times=False) as data:
        for name, v in data.variables.items():
            axes = tuple(map(str, v.dims))
            found[str(name)] = Stored(v.shape, v.dtype.name, v.dtype.kind in "biuf", once(partial(read, name)), axes)
    return found
