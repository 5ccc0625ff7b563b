"""Start the process that reads a file by forking this one, which has imported everything: as the product, but fast."""

import contextlib
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import IO

from eigencode.formats import _hdf5, _matlab, _netcdf
from eigencode.formats._child import serve

IMPORTED = (_hdf5, _matlab, _netcdf)


class Forked:
    """What `formats._apart.start` returns, for a forked process."""

    def __init__(self, path: Path, said: IO[bytes]) -> None:
        asked, self.ask = os.pipe()
        self.answer, answers = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child does nothing but read the file
            self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.dup2(said.fileno(), 2)
                os.closerange(self.ask, self.ask + 1)
                os.closerange(self.answer, self.answer + 1)
                warnings.simplefilter("ignore")
                serve(path, os.fdopen(asked, "rb"), os.fdopen(answers, "wb"))
                code = 0
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        os.closerange(asked, asked + 1)
        os.closerange(answers, answers + 1)
        self.code: int | None = None
        self.stdin, self.stdout = os.fdopen(self.ask, "wb"), os.fdopen(self.answer, "rb")

    def wait(self) -> int:
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def kill(self) -> None:
        if self.code is None:
            os.kill(self.pid, 9)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(BrokenPipeError), self.stdout, self.stdin:
            self.wait()


assert sys.platform != "win32"
