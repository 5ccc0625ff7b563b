"""HDF5 files: any, and NWB, of which the responses to single trials are read and recordings over time refused."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from eigencode.base.errors import DataError
from eigencode.formats._hdf5 import refuse_oddities
from eigencode.formats._netcdf import netcdf_file
from eigencode.formats.stored import Stored, once

COUNTED = (
    "count spikes, or average, from each start_time on; then np.savez('responses.npz', responses=x, stimuli=labels)"
)


def plain_hdf5_file(path: Path) -> dict[str, Stored]:
    """The data sets of an HDF5 file; those in a group are called `group.name`.  A netCDF file is read as one."""
    with h5py.File(path, "r") as file:
        netcdf = "_NCProperties" in file.attrs
    if netcdf:
        return netcdf_file(path)
    return {name.replace("/", "."): stored for name, stored in _data_sets(path).items()}


def nwb_file(path: Path) -> dict[str, Stored]:
    """The arrays of an NWB file that hold one entry for each trial (or other interval), by their own names.

    Columns of the tables of intervals; matrices in the table of units with a column per interval, `unit x
    presentation`; time series with one sample per interval, `presentation x unit`.
    """
    every = _data_sets(path)
    rows = {name.split("/")[1]: stored.shape[0] for name, stored in every.items() if _is_table(name)}
    found: dict[str, Stored] = {}
    left = []
    for name, stored in every.items():
        *above, last = name.split("/")
        folder = above[0] if above else ""
        axes: tuple[str, ...] = ()
        if folder == "intervals" and last not in ("id", "tags", "timeseries") and not last.endswith("_index"):
            axes = ("presentation", "unit")[: len(stored.shape)]
        elif folder == "units" and len(stored.shape) == 2 and _by_trial(last, stored.shape[1], rows):
            axes = ("unit", "presentation")
        elif last == "data" and above and stored.shape and stored.shape[0] in rows.values():
            last, axes = above[-1], ("presentation", "unit")[: len(stored.shape)]
        elif last in ("data", "spike_times"):
            left.append(f"{name} ({stored})")
        if len(axes) == len(stored.shape) > 0:
            found[name.replace("/", ".") if last in found else last] = replace(stored, axes=axes)
    if not any(len(stored.shape) == 2 and stored.numeric for stored in found.values()):
        raise DataError(
            f"{path}: no responses to single trials",
            got=", ".join(left[:6]) or None,
            wanted="a matrix trials x units: the data of a time series with a sample for each trial, or a column of "
            "the table of trials or units",
            fix=COUNTED,
        )
    return found


def _is_table(name: str) -> bool:
    """True for the column of identifiers of a table of intervals."""
    return name.startswith("intervals/") and name.endswith("/id") and name.count("/") == 2


def _by_trial(name: str, columns: int, rows: dict[str, int]) -> bool:
    """True if a matrix in the table of units has a column per interval and is not of waveforms, electrodes or times."""
    return columns in rows.values() and name.partition("_")[0] not in ("waveform", "waveforms", "electrode", "obs")


def _data_sets(path: Path) -> dict[str, Stored]:
    """The data sets of an HDF5 file by their paths."""
    found = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            text = h5py.check_string_dtype(item.dtype) is not None
            kind = "text" if text else {"O": "references", "V": "compound"}.get(item.dtype.kind, item.dtype.name)
            numeric = item.dtype.kind in "biuf" and not text
            found[name] = Stored(item.shape, kind, numeric, once(partial(_read, path, name, text)))

    with h5py.File(path, "r") as file:
        refuse_oddities(path, file)
        file.visititems(visit)
    return found


def _read(path: Path, name: str, text: bool) -> np.ndarray:
    with h5py.File(path, "r") as file:
        values = file[name].asstr(errors="replace")[()] if text else file[name][()]
    return np.asarray(values).astype(str) if text else np.asarray(values)
