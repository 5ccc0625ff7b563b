"""Records: frozen results with their convention, saved as JSON and safetensors."""

import dataclasses
import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from eigencode.base import strict_json
from eigencode.base.errors import InputError
from eigencode.base.files import write_tensors
from eigencode.base.text import printable

if TYPE_CHECKING:
    import pandas
    import xarray


R = TypeVar("R", bound="Record")


def brief(record: Any) -> str:
    """A dataclass in one line: tensors by shape and range, long texts and tuples shortened.

    >>> Estimate(1.5, 1.0, 2.0, method="95 %")
    Estimate(value=1.5, low=1, high=2, n=0, method='95 %')
    """
    fields = ((f.name, getattr(record, f.name)) for f in dataclasses.fields(record) if f.repr)
    return f"{type(record).__name__}({', '.join(f'{name}={_short(value)}' for name, value in fields)})"


def _short(value: Any) -> str:
    """One value in at most about 60 characters."""
    if isinstance(value, Tensor):
        size = " x ".join(map(str, value.shape)) or "scalar"
        if value.numel() == 0 or value.is_complex():
            return f"[{size}]"
        low, high = (f"{float(v):.4g}" for v in value.detach().double().aminmax())
        return f"[{size}: {low}]" if low == high else f"[{size}: {low} .. {high}]"
    if type(value) is float:
        return f"{value:.6g}"
    if isinstance(value, list | tuple) and len(value) > 6:
        return f"({', '.join(map(_short, value[:3]))}, … {len(value)} in all)"
    if isinstance(value, dict):
        return f"{{{len(value)} entries}}" if len(str(value)) > 60 else str(value)
    return printable(repr(value), 60) if isinstance(value, str) else repr(value)


class Record:
    """Base class of every result.

    A subclass is a frozen dataclass whose fields are numbers, strings, tuples, dicts of these, other records without
    tensors, or CPU tensors annotated with the names of their axes, e.g. `Float[Tensor, "image unit"]`.

    `np.asarray` works on every tensor of a record.  A tensor field whose name is also the name of an axis becomes
    the coordinate of that axis in `to_dataset()`.
    """

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "__repr__" not in vars(cls):  # before `dataclass` writes one that prints every tensor in full
            cls.__repr__ = brief  # type: ignore[method-assign]

    @classmethod
    def dims(cls) -> dict[str, tuple[str, ...]]:
        """The axes of the tensor fields that are annotated with names, by name."""
        hints = {k: (hint, *typing.get_args(hint)) for k, hint in typing.get_type_hints(cls).items()}
        axes = {k: next((t for part in parts if (t := getattr(part, "dim_str", ""))), "") for k, parts in hints.items()}
        return {k: tuple(name.partition("=")[0] for name in text.split()) for k, text in axes.items() if text}

    def tensors(self) -> dict[str, Tensor]:
        """The tensor fields, by name."""
        return {k: v for k, v in self._fields() if isinstance(v, Tensor)}

    def scalars(self) -> dict[str, Any]:
        """All other fields, by name, as values that JSON can hold."""
        return {k: _plain(v) for k, v in self._fields() if not isinstance(v, Tensor)}

    def save(self, folder: Path) -> None:
        """Write `record.json` and, if there are tensors, `arrays.safetensors` into an existing folder."""
        text = strict_json.dumps({"record": type(self).__name__, **self.scalars()})
        (folder / "record.json").write_text(text + "\n", encoding="utf-8")
        arrays = {k: v.contiguous().clone() for k, v in self.tensors().items()}  # two fields may share one tensor
        if arrays:
            write_tensors(folder / "arrays.safetensors", arrays)

    @classmethod
    def load(cls: type[R], folder: Path) -> R:
        """Load a record from a folder written by `save`.

        Raises:
            InputError: a damaged record, or one of another version.
        """
        from safetensors.torch import load_file

        arrays = folder / "arrays.safetensors"
        try:
            values = json.loads((folder / "record.json").read_text(encoding="utf-8"))
            values.pop("record", None)
            return cls._build({**values, **(load_file(str(arrays)) if arrays.exists() else {})})
        except (TypeError, ValueError, KeyError) as error:
            whole = next((f for f in (folder, *folder.parents) if (f / "step.json").is_file()), folder)
            raise InputError(
                f"a stored {cls.__name__} is damaged, or was written by another version of this package",
                got=f"{folder}: {error}",
                fix=f"delete {whole}, then run again",
            ) from error

    def to_dataset(self) -> "xarray.Dataset":
        """Convert to an `xarray.Dataset`: tensors become variables, all other fields attributes.

        Text and numbers are kept; types that netCDF cannot hold (bool, None, lists, records) are stored as JSON.
        """
        import xarray

        tensors, dims = self.tensors(), self.dims()
        axes = {k: dims.get(k, tuple(f"{k}_{i}" for i in range(v.ndim))) for k, v in tensors.items()}
        coords = {k: (axes[k], v.numpy()) for k, v in tensors.items() if axes[k] == (k,)}
        data = {k: (axes[k], v.numpy()) for k, v in tensors.items() if k not in coords}
        attrs = {
            k: v if type(v) in (str, int, float) else strict_json.dumps(v, compact=True)
            for k, v in self.scalars().items()
        }
        return xarray.Dataset(data, coords, attrs)

    def to_frame(self) -> "pandas.DataFrame":
        """Convert to a `pandas.DataFrame`: a row per image, rank, epoch or the like, a column per tensor along it.

        Of tensors along different axes, those are taken that have the commonest; two axes make a row per pair, with
        the position or the coordinate of both.  `to_dataset()` has all tensors.  A record without tensors is one row
        of its fields, an estimate as value, `_low` and `_high`.

        >>> Estimate(1.5, 1.0, 2.0, n=9).to_frame().columns.tolist()
        ['value', 'low', 'high', 'n', 'method']
        """
        import pandas

        data, groups = self.to_dataset(), dict[tuple[str, ...], list[str]]()
        for name in (k for k, v in self.tensors().items() if v.ndim):
            groups.setdefault(tuple(map(str, data[name].dims)), []).append(name)
        if not groups:
            return pandas.DataFrame([flat(self)])
        axes = max(groups, key=lambda a: len(groups[a]))
        known = [a for a in axes if a in data.coords or len(axes) > 1]
        frame = data[groups[axes]].to_dataframe(dim_order=axes).reset_index()
        return frame[[*known, *(k for k in groups[axes] if k not in known)]]

    def __str__(self) -> str:
        from eigencode.base.record_text import record_text

        return record_text(self)

    def _repr_html_(self) -> str:
        from eigencode.base.record_html import record_html

        return record_html(type(self).__name__, self.scalars(), self.tensors())

    def _fields(self) -> list[tuple[str, Any]]:
        return [(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)]  # type: ignore[arg-type]

    @classmethod
    def _build(cls: type[R], values: dict[str, Any]) -> R:
        hints = typing.get_type_hints(cls)
        return cls(**{k: _restore(hints.get(k), v) for k, v in values.items()})


@dataclasses.dataclass(frozen=True)
class Estimate(Record):
    """A number with an interval.  `float(estimate)` is the number.

    `method` describes the interval, e.g. "95 % bootstrap over images"; a bound that does not exist is NaN.

    >>> print(Estimate(1.52, 1.4, 1.6, n=100, method="95 % bootstrap over images"))
    1.52 [1.4, 1.6]
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0
    method: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        """The interval, (low, high)."""
        return (self.low, self.high)

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        known = self.low == self.low or self.high == self.high
        return f"{self.value:.4g} " + (f"[{self.low:.4g}, {self.high:.4g}]" if known else "(no interval)")


def flat(record: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, an estimate as three: its value, `_low` and `_high`."""
    found: dict[str, Any] = {}
    for name, value in ((f.name, getattr(record, f.name)) for f in dataclasses.fields(record)):
        estimate = isinstance(value, Estimate)
        found[name] = value.value if estimate else value
        found |= {f"{name}_low": value.low, f"{name}_high": value.high} if estimate else {}
    return found


def _plain(value: Any) -> Any:
    """Convert a field to a value that JSON can hold."""
    if isinstance(value, Record):
        if value.tensors():
            raise InputError("a nested record with arrays cannot be kept", got=type(value).__name__)
        return value.scalars()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, Tensor) else value


def _restore(hint: Any, value: Any) -> Any:
    """Convert a JSON value to the annotated type of a field: tuples, NaN and infinite numbers, nested records."""
    parts = (hint, *typing.get_args(hint))
    kind = next((k for k in parts if isinstance(k, type) and issubclass(k, Record)), None)
    if isinstance(value, list):
        return tuple(_restore(hint, v) for v in value)
    if isinstance(value, dict):
        if kind is not None and typing.get_origin(hint) is not dict:
            return kind._build(value)
        inner = parts[-1] if typing.get_origin(hint) is dict else None
        return {k: _restore(inner, v) for k, v in value.items()}
    if float in parts and (value in ("Infinity", "-Infinity") or (value is None and type(None) not in parts)):
        return strict_json.number(value)
    return value


def host(x: Tensor, dtype: torch.dtype | None = torch.float64) -> Tensor:
    """A detached copy on the CPU, for a record."""
    return x.detach().to("cpu", dtype, copy=True)
