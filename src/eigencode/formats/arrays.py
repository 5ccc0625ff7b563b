"""List the arrays in a file of any format that is read, or in a folder of suite2p."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eigencode.base.errors import InputError
from eigencode.base.reading import CUT_OFF, reading, regular
from eigencode.formats._apart import APART, apart
from eigencode.formats._numpy import numpy_file
from eigencode.formats._suite2p import Suite2p
from eigencode.formats.stored import Stored

SUFFIXES = (".npy", ".npz", *APART)


@contextmanager
def arrays_in(path: Path) -> Iterator[dict[str, Stored]]:
    """List the arrays of a file by name; a field of a struct or group is called `struct.field`.

    They can be read inside the block.  The array of a `.npy` file is called `array`.  The reversed axes of MATLAB v7.3
    files (HDF5) are restored, so all versions give the same arrays.  Pickles are never loaded.  A folder is one of
    suite2p.

    Raises:
        InputError: another kind of file.
        DataError: no such file, an empty, truncated or damaged one, or one that takes far more memory or time than its
            size explains.
    """
    suffix, folder = path.suffix.lower(), path.is_dir()
    if not folder and suffix not in SUFFIXES:
        wanted = f"{' '.join(SUFFIXES)} or a folder"
        raise InputError(f"{path}: not a file of responses", got=suffix or "no suffix", wanted=wanted)
    if not folder:
        regular(path)
    if not folder and suffix in APART:
        with apart(path) as found:
            yield found
    else:
        with reading(f"{path}: the file cannot be read", fix=CUT_OFF):
            found = Suite2p(path).arrays() if folder else numpy_file(path)
        yield found


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of the files that are read in a folder of suite2p."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for part in Suite2p(path).files:
        whole.update(f"{part.name} {digest(part)}\n".encode())
    return whole.hexdigest()
