"""An array in a file, described before it is read."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Read = Callable[..., np.ndarray]
"""Function that reads an array; its argument `field` chooses a field of an array of structs."""


@dataclass(frozen=True)
class Stored:
    """An array in a file: its shape in the order of the program that wrote it, its type, and a function to read it.

    `numeric` is true for real numbers and booleans.  `axes` are the names of the axes where the format has any.
    `columns`: names of the columns of a table.
    """

    shape: tuple[int, ...]
    kind: str
    numeric: bool
    read: Read
    axes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def vector(self) -> bool:
        """True for numbers or words along one axis."""
        return max(self.shape, default=0) == math.prod(self.shape) > 1 and self.kind != "struct"

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'scalar'} {self.kind}"

    def without(self, names: tuple[str, ...]) -> "Stored":
        """The same without some of its columns."""
        left = [i for i, name in enumerate(self.columns) if name not in names]
        read = once(lambda: self.read()[:, left])
        shape, columns = (self.shape[0], len(left)), tuple(self.columns[i] for i in left)
        return Stored(shape, self.kind, self.numeric, read, self.axes, columns)

    def column(self, name: str) -> "Stored":
        """One of its columns."""
        place = self.columns.index(name)
        return Stored(self.shape[:1], self.kind, self.numeric, once(lambda: self.read()[:, place]))


def in_memory(array: np.ndarray) -> Stored:
    """Describe an array that is already in memory."""
    names = {"O": "cell or object", "U": "text", "S": "text", "V": "struct"}
    kind = array.dtype.kind
    return Stored(array.shape, names.get(kind, array.dtype.name), kind in "biuf", once(lambda: array))


def once(read: Callable[[], np.ndarray]) -> Read:
    """Read an array, and of an array of structs the field that is asked for; an empty array if it has none such."""

    def chosen(field: str = "") -> np.ndarray:
        values = read()
        if not field:
            return values
        return values[field] if field in (values.dtype.names or ()) else np.zeros(0, object)

    return chosen
