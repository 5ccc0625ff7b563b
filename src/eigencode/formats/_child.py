"""The process that reads one file: it lists the arrays, and sends those that it is asked for."""

import importlib
import sys
from pathlib import Path
from typing import IO, Any

from eigencode.base.errors import DataError, InputError
from eigencode.base.reading import CUT_OFF, FREE, TIMES, reading
from eigencode.formats._wire import receive, send, send_array

READERS = {
    ".mat": ("_matlab", "matlab_file"),
    ".nc": ("_netcdf", "netcdf_file"),
    ".nwb": ("_nwb", "nwb_file"),
    ".h5": ("_nwb", "plain_hdf5_file"),
    ".hdf5": ("_nwb", "plain_hdf5_file"),
    ".pt": ("_torch", "torch_file"),
    ".pth": ("_torch", "torch_file"),
    ".csv": ("_table", "table_file"),
    ".tsv": ("_table", "table_file"),
    ".parquet": ("_table", "table_file"),
}
SECONDS, BYTES_PER_SECOND = 5, 2_000_000
"""Computing time for a file: so many seconds, and one more for so many bytes."""


def serve(path: Path, asked: IO[bytes], answers: IO[bytes]) -> None:
    """Send the list of the arrays in a file, and then each one that is asked for, until nothing more is."""
    module, name = READERS[path.suffix.lower()]
    read = getattr(importlib.import_module(f"eigencode.formats.{module}"), name)
    _limit(path.stat().st_size)
    try:
        with reading(f"{path}: the file cannot be read", fix=CUT_OFF):
            found = read(path)
            listed = [(n, a.shape, a.kind, a.numeric, a.axes, a.columns) for n, a in found.items()]
            send(answers, arrays=[(n, [int(k) for k in shape], *more) for n, shape, *more in listed])
        answers.flush()
        for _ in iter(asked.peek, b""):  # type: ignore[attr-defined]
            question = receive(asked)
            with reading(f"{path}: the file cannot be read", fix=CUT_OFF):
                values = found[question["name"]].read(question["field"])
            send_array(answers, values)
            answers.flush()
    except InputError as error:
        send(answers, error=str(error), data=isinstance(error, DataError))
        answers.flush()


def _limit(size: int) -> None:
    """Bound memory and computing time of this process by the size of the file, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    def bound(what: int, most: int) -> None:
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))

    bound(resource.RLIMIT_CORE, 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    bound(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + SECONDS + size // BYTES_PER_SECOND)
    statm: Any = Path("/proc/self/statm")
    if statm.exists():
        pages = int(statm.read_text().split()[0])
        bound(resource.RLIMIT_AS, pages * resource.getpagesize() + max(4 * FREE, 2 * TIMES * size))
