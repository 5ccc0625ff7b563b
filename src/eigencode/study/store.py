"""Where results live: one folder per key, complete or absent, never overwritten."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigencode.base.errors import EigencodeError
from eigencode.study.step import Step

META = "step.json"


@dataclass(frozen=True)
class Store:
    """Results on disk: `steps/KEY/` for every finished step, `scratch/KEY/` for what a running one keeps.

    A result is written into a temporary folder beside its final place and renamed when it is whole; `step.json` in
    it says what it is, what it was made from, and how.
    """

    root: Path

    def folder(self, step: Step) -> Path:
        """Where the result of the step is, or will be."""
        return self.root / "steps" / step.key

    def has(self, step: Step) -> bool:
        """Is the step finished?"""
        return (self.folder(step) / META).is_file()

    def meta(self, step: Step) -> dict[str, Any]:
        """What `step.json` of a finished step says."""
        found: dict[str, Any] = json.loads((self.folder(step) / META).read_text())
        return found

    def scratch(self, step: Step) -> Path:
        """A folder that survives a kill, for checkpoints; removed when the step is finished."""
        folder = self.root / "scratch" / step.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def writing(self, step: Step, meta: dict[str, Any]) -> Iterator[Path]:
        """A temporary folder to fill; it becomes the result if the block ends without an error.

        `meta` may be filled inside the block.  Two processes may run the same step: the first to finish wins, the
        other's identical work is dropped.
        """
        final = self.folder(step)
        final.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{step.key[:40]}.", dir=final.parent))
        try:
            yield part
            (part / META).write_text(json.dumps(meta, indent=1) + "\n")
            for file in (f for f in part.rglob("*") if f.is_file()):
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
            try:
                part.rename(final)
            except OSError:
                if not self.has(step):
                    raise
        except OSError as error:
            raise EigencodeError(
                f"cannot write the result of {step.describe()}: {error}\n  fix:    free disk space or choose another "
                "--store; every finished step is kept"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.root / "scratch" / step.key, ignore_errors=True)
