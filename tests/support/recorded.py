"""Small files of recorded responses in the published layouts, written by scipy and h5py."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat

BLANK = 6
ISTIM = (3, 1, 6, 2, 5, 1, 4, 3, 1, 2, 6, 3, 5, 5, 3)
"""15 presentations: stimulus 1 three times, 2 twice, 3 four times, 4 once, 5 three times, 6 is the blank (twice)."""


def stim(units: int = 7, frames: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    """The struct `stim` of Stringer et al. (2019): responses, their stimuli as a column, spontaneous frames."""
    draw = np.random.default_rng(seed)
    return {
        "resp": (3 + draw.gamma(2.0, 1.5, (len(ISTIM), units))).astype(np.float32),
        "istim": np.array(ISTIM, dtype=np.float64)[:, None],
        "spont": draw.gamma(1.0, 1.0, (frames, units)).astype(np.float32),
    }


def stat(redcell: list[int] | None, units: int = 7) -> np.ndarray:
    """The struct array `stat`: one entry per cell, `redcell` in some recordings only."""
    names = ["npix", *(["redcell"] if redcell is not None else [])]
    cells = np.empty((units, 1), dtype=[(n, object) for n in names])
    for i in range(units):
        cells[i, 0] = (np.array([[20.0 + i]]), *([np.array([[redcell[i]]])] if redcell is not None else []))
    return cells


def write_stringer(path: Path, redcell: list[int] | None = None, packed: bool = True, **more: Any) -> Path:
    """A file `natimg2800_M*.mat`: `db`, `stat`, `med` and `stim`, as scipy writes MATLAB 5 files."""
    content = {"db": {"mouse_name": "M0", "date": "2017-01-01"}, "med": np.ones((7, 3)), "stat": stat(redcell)}
    savemat(path, {**content, "stim": {**stim(), **more}}, do_compression=packed)
    return path


def write_v73(path: Path, arrays: dict[str, Any]) -> Path:
    """Write a MATLAB -v7.3 file: HDF5 behind a header of 512 bytes, axes reversed, structs as groups."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in arrays.items():
            _put(file, name, value)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def _put(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, dict):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_(b"struct")
        for key, item in value.items():
            _put(inner, key, item)
    elif isinstance(value, str):
        data = group.create_dataset(name, data=np.array([[ord(c)] for c in value], dtype=np.uint16))
        data.attrs["MATLAB_class"] = np.bytes_(b"char")
    elif isinstance(value, list):  # a cell
        held = group.file.require_group("#refs#")
        pointed = [held.create_dataset(f"{name}{i}", data=np.asarray(v).T).ref for i, v in enumerate(value)]
        data = group.create_dataset(name, data=np.array([pointed], dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
        data.attrs["MATLAB_class"] = np.bytes_(b"cell")
    elif value.size == 0:
        data = group.create_dataset(name, data=np.array(value.shape, dtype=np.uint64))
        data.attrs["MATLAB_class"] = np.bytes_(b"double")
        data.attrs["MATLAB_empty"] = np.uint8(1)
    else:
        data = group.create_dataset(name, data=value.T)
        data.attrs["MATLAB_class"] = np.bytes_(b"logical" if value.dtype == bool else value.dtype.name.encode())
