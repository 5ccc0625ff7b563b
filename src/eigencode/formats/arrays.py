"""List the arrays in a `.npy`, `.npz`, `.mat` (any version) or `.nc` file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eigencode.base.errors import InputError
from eigencode.base.reading import CUT_OFF, reading, regular
from eigencode.formats._apart import APART, apart
from eigencode.formats._numpy import numpy_file
from eigencode.formats.stored import Stored

SUFFIXES = (".npy", ".npz", *APART)


@contextmanager
def arrays_in(path: Path) -> Iterator[dict[str, Stored]]:
    """List the arrays of a file by name; a field of a struct or group is called `struct.field`.

    They can be read inside the block.  The array of a `.npy` file is called `array`.  The reversed axes of MATLAB v7.3
    files (HDF5) are restored, so all versions give the same arrays.  Pickles are never loaded.

    Raises:
        InputError: another kind of file.
        DataError: no such file, an empty, truncated or damaged one, or one that takes far more memory or time than its
            size explains.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: not a file of responses", got=suffix or "no suffix", wanted=" ".join(SUFFIXES))
    regular(path)
    if suffix in APART:
        with apart(path) as found:
            yield found
    else:
        with reading(f"{path}: the file cannot be read", fix=CUT_OFF):
            found = numpy_file(path)
        yield found
