"""Read a file in a separate process, so that a crash, a hang or a lack of memory there does no harm here.

The libraries that read MATLAB and HDF5 files trust what these files say: a damaged one can end the process.
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from eigencode.base.errors import DataError, InputError
from eigencode.base.reading import CUT_OFF, affordable
from eigencode.base.text import printable
from eigencode.formats._child import READERS
from eigencode.formats._wire import receive, receive_array, send
from eigencode.formats.stored import Stored

APART = tuple(READERS)

CODE = (
    "import sys, pathlib; sys.path[:] = {path!r}; from eigencode.formats._child import serve; "
    "serve(pathlib.Path({file!r}), sys.stdin.buffer, sys.stdout.buffer)"
)


def start(path: Path, said: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start the process; what it says besides its answers goes to `said`."""
    code = CODE.format(path=sys.path, file=str(path))
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=said, env=alone)


@contextmanager
def apart(path: Path) -> Iterator[dict[str, Stored]]:
    """List the arrays of a file; they can be read inside the block, in which the other process lives."""
    with tempfile.TemporaryFile() as said, start(path, said) as child:
        reader = _Reader(path, child, said)
        try:
            yield {n: reader.stored(n, *more) for n, *more in reader.ask()["arrays"]}
        finally:
            child.kill()


@dataclass(frozen=True)
class _Reader:
    """The process that reads `path`."""

    path: Path
    child: Any
    said: IO[bytes]

    def stored(self, name: str, shape: list[int], kind: str, numeric: bool, *names: list[str]) -> Stored:
        """Describe an array of the list."""
        return Stored(tuple(shape), kind, numeric, partial(self.read, name), *map(tuple, names))

    def read(self, name: str, field: str = "") -> np.ndarray:
        """Read an array, or one field of an array of structs."""
        header = self.ask(name=name, field=field)
        if "type" in header:
            size = math.prod(header["shape"]) * np.dtype(header["type"]).itemsize
            affordable(f"{self.path}: {name}", size, self.path.stat().st_size, CUT_OFF)
        try:
            return receive_array(self.pipe, header)
        except (EOFError, OSError) as error:
            raise self._ended() from error

    @property
    def pipe(self) -> IO[bytes]:
        """Where the answers come from."""
        pipe: IO[bytes] = self.child.stdout
        return pipe

    def ask(self, **question: str) -> dict[str, Any]:
        """Send a question, if any, and receive the first line of the answer."""
        try:
            if question:
                send(self.child.stdin, **question)
                self.child.stdin.flush()
            answer = receive(self.pipe)
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if "error" in answer:
            raise (DataError if answer["data"] else InputError)(answer["error"])
        return answer

    def _ended(self) -> DataError:
        """The error for a process that has ended before its answer."""
        code = self.child.wait()
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        slow = code == -getattr(signal, "SIGXCPU", 0)
        got = "its reader took too long" if slow else f"its reader crashed (exit code {code}): {' '.join(lines[-1:])}"
        return DataError(
            f"{self.path}: the file cannot be read", got=printable(got, 300), wanted="a complete file", fix=CUT_OFF
        )
