"""List and read the arrays in a `.npy`, `.npz`, `.mat` (any version) or `.nc` file."""

import math
import zipfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eigencode.base.errors import DataError, InputError

FIX = "the copy was cut off or is of another format: fetch or save the file again"


@dataclass(frozen=True)
class Stored:
    """An array in a file: its shape in the order of the program that wrote it, its type, and a function to read it.

    `numeric` is true for real numbers and booleans.  `axes` are the names of the axes where the format has any.
    """

    shape: tuple[int, ...]
    kind: str
    numeric: bool
    read: Callable[[], np.ndarray]
    axes: tuple[str, ...] = ()

    @property
    def vector(self) -> bool:
        """True for numbers or words along one axis."""
        return max(self.shape, default=0) == math.prod(self.shape) > 1 and self.kind != "struct"

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'scalar'} {self.kind}"


def arrays_in(path: Path) -> dict[str, Stored]:
    """List the arrays of a file by name; a field of a struct or group is called `struct.field`.

    The array of a `.npy` file is called `array`.  The reversed axes of MATLAB v7.3 files (HDF5) are restored, so all
    versions give the same arrays.  Pickles are never loaded.

    Raises:
        InputError: another kind of file.
        DataError: no such file, an empty, truncated or damaged one.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: not a file of responses", got=path.suffix or "no suffix", wanted=" ".join(_READERS))
    if not path.is_file():
        raise DataError(f"{path}: no such file", got="a folder" if path.is_dir() else None, wanted="a file to read")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty", got="0 bytes", fix=FIX)
    with _reading(path):
        return reader(path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn any exception of a file reader into a `DataError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: the file cannot be read", got=cause, wanted="a complete file", fix=FIX) from error


def _numpy(path: Path) -> dict[str, Stored]:
    with path.open("rb") as file:
        single = file.read(6) == b"\x93NUMPY"
    if single:
        return {"array": _numpy_array(partial(np.load, path), f"{path}: array")}
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: the file cannot be read", got="neither a .npy nor a .npz file", fix=FIX)
    with np.load(path) as archive:
        return {n: _numpy_array(partial(archive.__getitem__, n), f"{path}: {n}") for n in archive.files}


def _numpy_array(read: Callable[[], np.ndarray], where: str) -> Stored:
    def refuse() -> np.ndarray:
        raise DataError(
            f"{where} holds pickled objects, which are not read",
            fix="save x.astype('float32') for numbers, x.astype(str) for names",
        )

    try:
        return _in_memory(read())
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        return Stored((), "object (pickled)", False, refuse)


def _in_memory(array: np.ndarray) -> Stored:
    """Describe an array that is already in memory."""
    names = {"O": "cell or object", "U": "text", "S": "text", "V": "struct"}
    numeric = array.dtype.kind in "biuf"
    return Stored(array.shape, names.get(array.dtype.kind, array.dtype.name), numeric, lambda: array)


_MATLAB = {"double": "float64", "single": "float32", "logical": "bool", "char": "text"}
_MATLAB_NUMBERS = {"double", "single", "logical", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64))}


def _matlab(path: Path) -> dict[str, Stored]:
    import h5py

    if h5py.is_hdf5(path):
        return _hdf5(path)
    from scipy.io import whosmat

    found = {}
    for name, shape, kind in whosmat(path, appendmat=False):
        if name.startswith("__"):  # MATLAB's own
            continue
        if kind == "struct" and math.prod(shape) == 1:
            struct = _matlab_read(path, name)
            fields = struct.dtype.names or ()
            found.update({f"{name}.{field}": _in_memory(np.asarray(struct[field].flat[0])) for field in fields})
        else:
            read = partial(_matlab_read, path, name)
            found[name] = Stored(shape, _MATLAB.get(kind, kind), kind in _MATLAB_NUMBERS, read)
    return found


def _matlab_read(path: Path, name: str) -> np.ndarray:
    from scipy.io import loadmat

    with _reading(path):
        return np.asarray(loadmat(path, appendmat=False, variable_names=[name])[name])


def _hdf5(path: Path) -> dict[str, Stored]:
    import h5py

    found = {}

    def visit(name: str, item: Any) -> None:
        if name.startswith("#") or item.parent.attrs.get("MATLAB_sparse") is not None:  # "#refs#": what cells point to
            return
        if item.attrs.get("MATLAB_sparse") is not None:
            found[name.replace("/", ".")] = Stored((), "sparse", False, lambda: np.zeros(0, object))
        elif isinstance(item, h5py.Dataset):
            word = item.attrs.get("MATLAB_class", b"")
            word = word.decode() if isinstance(word, bytes) else str(word)
            empty = bool(item.attrs.get("MATLAB_empty", 0))
            shape = tuple(int(n) for n in item[()].ravel()) if empty else item.shape[::-1]
            numeric = item.dtype.kind in "biuf" and word not in ("char", "cell", "struct", "function_handle")
            names = {"O": "cell", "V": "complex or compound"}
            kind = "text" if word == "char" else names.get(item.dtype.kind, item.dtype.name)
            found[name.replace("/", ".")] = Stored(shape, kind, numeric, partial(_hdf5_read, path, name, shape))

    with h5py.File(path, "r") as file:
        _refuse_elsewhere(path, file)
        file.visititems(visit)
    return found


def _refuse_elsewhere(path: Path, file: Any) -> None:
    """Raise `DataError` if a part of an HDF5 file lies in another file, which the file itself names."""
    import h5py

    found: dict[str, str] = {}

    def visit(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            found[name] = link.filename
        elif isinstance(link, h5py.HardLink):
            item = file[name]
            if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                others = item.external or item.virtual_sources()
                found[name] = others[0][0] if item.external else others[0].file_name

    file.visititems_links(visit)
    if found:
        turned = ".T" * (path.suffix.lower() == ".mat")
        copy = f"**{{name: old[name][()]{turned} for name in {list(found)}}}"
        raise DataError(
            f"{path}: some of its data sets are stored in other files, which are not read",
            got=", ".join([f"{name} in {file}" for name, file in found.items()][:4]),
            wanted="every data set stored in this file",
            fix=f"copy them into one file: old = h5py.File({str(path)!r}); np.savez('whole.npz', {copy})",
        )


def _hdf5_read(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    import h5py

    with _reading(path), h5py.File(path, "r") as file:
        item = file[name]
        if item.attrs.get("MATLAB_empty", 0):
            return np.zeros(shape)
        values = item[()]
        if item.dtype.kind != "O":
            return np.asarray(values).T
        pointed = np.empty(values.shape, dtype=object)  # a cell, or a field of a struct array
        for place, reference in np.ndenumerate(values):
            pointed[place] = np.asarray(file[reference][()]).T
        return pointed.T


def _netcdf(path: Path) -> dict[str, Stored]:
    import h5py
    import xarray

    engine = "h5netcdf" if h5py.is_hdf5(path) else "scipy"
    if engine == "h5netcdf":
        with h5py.File(path, "r") as file:
            _refuse_elsewhere(path, file)

    def read(name: Hashable) -> np.ndarray:
        with _reading(path), xarray.open_dataset(path, engine=engine, decode_times=False) as data:
            return np.asarray(data.variables[name].values)

    found = {}
    with xarray.open_dataset(path, engine=engine, decode_times=False) as data:
        for name, v in data.variables.items():
            axes = tuple(map(str, v.dims))
            found[str(name)] = Stored(v.shape, v.dtype.name, v.dtype.kind in "biuf", partial(read, name), axes)
    return found


_READERS: dict[str, Callable[[Path], dict[str, Stored]]] = {
    ".npy": _numpy,
    ".npz": _numpy,
    ".mat": _matlab,
    ".nc": _netcdf,
}
