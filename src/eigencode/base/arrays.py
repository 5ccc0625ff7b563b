"""Convert the arrays people have to tensors: the one border of all functions that take numbers."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigencode.base.axes import WORDS, letters
from eigencode.base.errors import InputError

Array = Any
"""Anything that `tensor` converts: torch, numpy, lists, pandas, xarray, or an object with the array protocol."""

_NATIVE = {"uint16": "int32", "uint32": "int64", "uint64": "float64", "longdouble": "float64"}
"""Types that torch lacks, and the smallest of its types that holds them (to rounding)."""


def tensor(given: Array, name: str = "array", axes: str = "", empty: bool = False) -> Tensor:
    """Convert an array of any library to a dense tensor of real numbers; a tensor is returned as it is.

    Args:
        given: a tensor, a numpy array of any byte order, nested lists of numbers, a list of arrays of one shape, a
            DataFrame, a DataArray, or anything with `__array__`.
        name: of the argument, for error messages.
        axes: letters of `base.axes.WORDS`: the order in which axes with names are returned.
        empty: accept an array without numbers.

    Raises:
        InputError: not an array; text, dates, complex numbers or Python objects; a mask; a sparse or empty array.

    >>> tensor([[1, 2], [3, 4]]), tensor(np.array([1.5], dtype=">f4"))
    (tensor([[1, 2],
            [3, 4]]), tensor([1.5000]))
    """
    out = array(given, name, axes)
    if isinstance(out, np.ndarray):
        kind = np.dtype(_NATIVE.get(out.dtype.name, "float64" if out.dtype.itemsize > 8 else out.dtype.name))
        copy = not out.flags.writeable or any(step < 0 for step in out.strides)
        out = torch.from_numpy(np.array(out, dtype=kind, copy=True) if copy else np.asarray(out, dtype=kind))
    if out.numel() == 0 and not empty:
        raise InputError(f"{name}: no numbers", got=f"shape {tuple(out.shape)}", wanted="at least one number")
    return out


def array(given: Array, name: str = "array", axes: str = "") -> Tensor | np.ndarray:
    """Take an array out of its container, with its axes in order, but convert no numbers (a memory map stays one).

    Arguments and errors as for `tensor`.
    """
    if isinstance(given, Tensor):
        return _dense(given, name)
    given = _labelled(given, name, axes)
    if isinstance(given, list | tuple) and any(isinstance(one, Tensor) for one in given):
        return _stacked([tensor(one, name) for one in given], name)
    if _is_a(given, "scipy", "spmatrix", "sparray", "_spbase") or _is_a(given, "sparse", "SparseArray"):
        raise InputError(f"{name} is sparse", got=type(given).__name__, wanted="a dense array", fix="x.toarray()")
    if given is None or isinstance(given, str | bytes | dict | set | frozenset) or callable(given):
        raise _no_array(given, name)
    if not isinstance(given, list | tuple | int | float | complex | np.generic) and not _has_protocol(given):
        raise _no_array(given, name)
    try:
        if hasattr(given, "__dlpack__") and not hasattr(given, "__array__"):
            return _dense(torch.utils.dlpack.from_dlpack(given), name)
        found = np.asanyarray(given)
    except Exception as error:  # lists of different lengths; an __array__ of somebody may raise anything
        got = f"{type(given).__name__}: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"
        raise InputError(f"{name} is not an array", got=got, wanted="numbers, all rows of one length") from error
    return _numbers(_unmasked(found, name), name)


def is_array(given: object) -> bool:
    """True for an object that is an array by itself: not a list, an iterator, a function or a network."""
    return isinstance(given, Tensor) or (
        not callable(given) and (_has_protocol(given) or _is_a(given, "scipy", "spmatrix", "sparray", "_spbase"))
    )


def iterates(given: object) -> bool:
    """True for a DataLoader, a Dataset or an iterator of batches."""
    from torch.utils.data import DataLoader, Dataset

    return isinstance(given, DataLoader | Dataset | Iterator) and not is_array(given)


def batches(given: Any, name: str = "x") -> Iterator[tuple[Any, Any]]:
    """Pairs (inputs, labels or None) of a DataLoader, a Dataset or any iterator of batches.

    A batch is an array, (inputs, labels, …), or a dictionary with usual names.  The global random generator, from
    which a DataLoader draws, is left as it was.

    >>> [(x.tolist(), y) for x, y in batches([torch.ones(2), (torch.zeros(1), torch.ones(1, dtype=torch.long))])]
    [([1.0, 1.0], None), ([0.0], tensor([1]))]
    """
    from torch.utils.data import DataLoader, Dataset

    source = DataLoader(given, batch_size=256) if isinstance(given, Dataset) else given
    try:
        with torch.random.fork_rng(devices=[]) if isinstance(source, DataLoader) else nullcontext():
            for batch in source:
                yield _pair(batch, name)
    except InputError:
        raise
    except Exception as error:  # somebody's data set may raise anything
        said = str(error).splitlines()[0][:200] if str(error) else ""
        raise InputError(
            f"{name}: the batches cannot be read",
            got=f"{type(error).__name__}: {said}",
            wanted="batches of tensors (inputs, or inputs and labels)",
            fix="give the data set a transform to tensors, e.g. torchvision.transforms.ToTensor()",
        ) from error


def gathered(given: Any, name: str = "x") -> tuple[Tensor, Tensor | None]:
    """All inputs and all labels (None without) of a DataLoader, a Dataset or an iterator of batches, joined."""
    parts = [(tensor(x, name), y) for x, y in batches(given, name)]
    if not parts:
        raise InputError(f"{name}: no batches", got=type(given).__name__, wanted="at least one")
    if any(x.shape[1:] != parts[0][0].shape[1:] or x.ndim == 0 for x, _ in parts):
        shapes = ", ".join(str(tuple(x.shape)) for x, _ in parts[:5])
        raise InputError(f"{name}: the batches differ in shape", got=shapes, wanted="one shape of an image")
    if all(getattr(y, "ndim", None) == 0 for _, y in parts):  # single images, of a DataLoader with batch_size=None
        parts = [(x[None], y[None]) for x, y in parts]
    labelled = all(y is not None for _, y in parts)
    return torch.cat([x for x, _ in parts]), torch.cat([tensor(y, "labels") for _, y in parts]) if labelled else None


_INPUTS = ("x", "image", "images", "img", "pixel_values", "input", "inputs", "data")
_LABELS = ("y", "label", "labels", "target", "targets")


def _pair(batch: Any, name: str) -> tuple[Any, Any]:
    if isinstance(batch, dict):
        inputs = next((batch[k] for k in _INPUTS if k in batch), None)
        if inputs is None:
            got = f"a dictionary of {', '.join(map(str, list(batch)[:8]))}"
            raise InputError(f"{name}: no inputs in a batch", got=got, wanted=f"one of {', '.join(_INPUTS)}")
        return inputs, next((batch[k] for k in _LABELS if k in batch), None)
    if isinstance(batch, list | tuple) and batch and isinstance(batch[0], Tensor):
        return batch[0], batch[1] if len(batch) > 1 else None
    return batch, None


def _labelled(given: Any, name: str, axes: str) -> Any:
    """The values of a DataFrame, Series or DataArray, its axes ordered by their names."""
    if _is_a(given, "xarray", "Dataset"):
        raise InputError(
            f"{name} is a data set of several arrays",
            got=", ".join(map(str, list(given.data_vars)[:8])) or "none",
            wanted="one array",
            fix=f"data[{str(next(iter(given.data_vars), 'responses'))!r}]",
        )
    if _is_a(given, "xarray", "DataArray", "Variable"):
        names = [None if re.fullmatch(r"dim_\d+", str(dim)) else str(dim) for dim in given.dims]  # of an array without
        return _ordered(given.values, tuple(names), name, axes)
    if _is_a(given, "pandas", "DataFrame"):
        return _ordered(_frame(given, name), (given.index.name, given.columns.name), name, axes)
    if _is_a(given, "pandas", "Series", "Index") and getattr(given.dtype, "kind", "O") in "biuf":
        return _frame(given.to_frame(), name)[:, 0]
    return given


def _frame(given: Any, name: str) -> np.ndarray:
    """The numbers of a DataFrame; missing values become NaN."""
    given = given.infer_objects()
    wrong = [str(column) for column, kind in given.dtypes.items() if getattr(kind, "kind", "O") not in "biuf"]
    if wrong:
        raise InputError(
            f"{name}: columns that are not numbers",
            got=f"{', '.join(wrong[:5])}{' …' * (len(wrong) > 5)} of {given.shape[1]} columns",
            wanted="numbers in every column",
            fix='keep the numbers: df.select_dtypes("number"); labels belong into an argument of their own',
        )
    if all(isinstance(kind, np.dtype) for kind in given.dtypes):
        return np.asarray(given.to_numpy(np.result_type(*given.dtypes)))
    missing = bool(given.isna().to_numpy().any())
    kind = np.float64 if missing else np.result_type(*(getattr(k, "numpy_dtype", k) for k in given.dtypes))
    return np.asarray(given.to_numpy(kind, na_value=np.nan) if missing else given.to_numpy(kind))


def _ordered(values: Any, names: tuple[Any, ...], name: str, axes: str) -> Any:
    if not axes or np.ndim(values) != len(axes) or not any(names):
        return values
    order = " x ".join(WORDS[letter].split()[0] for letter in axes)
    fix = f"rename them, or pass x.values with the axes in the order {order}"
    found = letters([str(n or "?") for n in names], axes, name, fix)
    return values if found is None else np.transpose(values, [found.index(letter) for letter in axes])


def _dense(given: Tensor, name: str) -> Tensor:
    if given.layout != torch.strided or given.is_quantized or given.is_nested:
        kind, fix = ("quantised", "x.dequantize()") if given.is_quantized else ("sparse or nested", "x.to_dense()")
        fix = "x.unbind(), and measure its tensors one by one" if given.is_nested else fix
        raise InputError(f"{name} is {kind}", got=str(given.layout), wanted="a dense tensor", fix=fix)
    if given.is_meta:
        raise InputError(f"{name} holds no numbers", got="a tensor on the meta device", wanted="a tensor with data")
    if given.is_complex():
        raise InputError(
            f"{name}: numbers are complex", got=given.dtype, wanted="real numbers", fix="x.real, or x.abs()"
        )
    return given


def _stacked(parts: list[Tensor], name: str) -> Tensor:
    if any(part.shape != parts[0].shape for part in parts):
        got = ", ".join(str(tuple(part.shape)) for part in parts[:5])
        joined = all(part.shape[1:] == parts[0].shape[1:] != () for part in parts)
        raise InputError(
            f"{name}: a list of arrays of different shapes",
            got=got,
            wanted="one shape",
            fix="torch.cat(x)" if joined else "measure them one by one",
        )
    return torch.stack([part.to(parts[0].device) for part in parts])


def _unmasked(found: np.ndarray, name: str) -> np.ndarray:
    if not isinstance(found, np.ma.MaskedArray):
        return np.asarray(found)
    mask = np.ma.getmaskarray(found)
    count = int(mask.sum())
    if count:
        whole = found.ndim == 3 and bool((mask.all(-1) == mask.any(-1)).all())
        drop = "drop the rows with masked values: x[~np.ma.getmaskarray(x).any(axis=1)]; or fill them: x.filled(...)"
        fill = "x.astype(float).filled(np.nan), if the masked presentations were not shown"
        raise InputError(
            f"{name} is masked",
            got=f"{count} of {found.size} values masked",
            wanted="an array without a mask: masked values are not measured, and zeros or NaN are not what they mean",
            fix=fill if whole else drop,
        )
    return np.asarray(found.data)


def _numbers(found: np.ndarray, name: str) -> np.ndarray:
    if found.dtype.kind == "O" and found.size and all(type(v) in (int, float) for v in found.flat):
        whole = all(type(v) is int for v in found.flat)  # a column of Python numbers
        found = np.asarray(found.tolist()) if whole else found.astype(np.float64)
    if found.dtype.kind in "biuf":
        return found
    words = {
        "O": "Python objects",
        "U": "text",
        "S": "text",
        "M": "dates",
        "m": "times",
        "V": "records",
        "c": "complex",
    }
    fixes = {"c": "x.real, or np.abs(x)", "V": "np.array(x.tolist()), if every field is a number"}
    fix = fixes.get(found.dtype.kind, "x.astype(float), if they are numbers")
    got = f"{words.get(found.dtype.kind, 'other things')} ({found.dtype})"
    raise InputError(f"{name}: not real numbers", got=got, wanted="real numbers", fix=fix)


def _no_array(given: object, name: str) -> InputError:
    own = getattr(given, "__dict__", {})
    inside = [n for n, value in own.items() if isinstance(value, Tensor | np.ndarray) and not n.startswith("_")]
    fix = f"pass the array inside it, x.{inside[0]}" if inside else "pass the array inside it" if own else None
    wanted = "numbers: torch, numpy, nested lists, pandas, xarray, or anything with __array__"
    return InputError(f"{name} is not an array", got=type(given).__name__, wanted=wanted, fix=fix)


def _has_protocol(given: object) -> bool:
    return (
        any(hasattr(given, word) for word in ("__array__", "__array_interface__", "__dlpack__"))
        or isinstance(given, memoryview | bytearray)
        or _is_a(given, "array", "array")
    )


def _is_a(given: object, package: str, *names: str) -> bool:
    """True for an object of a class of a package, which is not imported for it."""
    return any(c.__module__.partition(".")[0] == package and c.__name__ in names for c in type(given).__mro__)
