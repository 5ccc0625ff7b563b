"""The store of results on disk: one folder per step, complete or absent, never overwritten."""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from eigencode.base import strict_json
from eigencode.base.disk_errors import FULL, system_error, told
from eigencode.base.durable import sync
from eigencode.base.errors import EigencodeError, InputError
from eigencode.base.process import has_ended, this_process
from eigencode.study._integrity import META, DamagedError, damage, described, sealed
from eigencode.study.step import Step

PART = "part-"
_numbers = count()


@dataclass(frozen=True)
class Store:
    """Results on disk: `steps/KEY/` for every finished step, `scratch/KEY/` and `claims/` for running ones.

    A result is written into a temporary folder in `scratch/KEY/` and moved to its final place when it is complete;
    `step.json` in it holds the settings, inputs and provenance of the step, and a checksum of every file.  A result
    that is damaged, or made from other inputs than the store has now, does not count; it is moved to `damaged/` when
    the step has been computed again.
    """

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))
        if self.root.exists() and not self.root.is_dir():
            raise InputError("the store is a file", got=self.root, wanted="a folder", fix="--store FOLDER")

    def writable(self) -> "Store":
        """The store itself, if files can be made in it.

        Raises:
            InputError: they cannot be.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.root):
                return self
        except OSError as error:
            if error.errno in FULL:
                raise EigencodeError(f"the store cannot be written: {told(error)}") from error
            raise InputError(
                "the store cannot be written",
                got=error,
                wanted="a folder you may write in",
                fix=f"another --store; finished steps count in a copy, too: cp -r {self.root} STORE",
            ) from error

    def folder(self, step: Step) -> Path:
        """The folder of the result of a step, whether it exists yet or not."""
        return self.root / "steps" / step.key

    def has(self, step: Step) -> bool:
        """True if the step is finished, undamaged, and made from its inputs as they are now."""
        return self.folder(step).exists() and not self.doubt(step)

    def doubt(self, step: Step) -> str:
        """Why a result that is there does not count, in one sentence; "" if it counts, or if there is none.

        It is damaged, or was made from other inputs than the store has now.
        """
        if wrong := damage(self.folder(step)):
            return wrong
        made_from = (described(self.folder(step)) or {}).get("inputs", ())
        for needed in step.inputs() if isinstance(made_from, dict) else ():
            now = self.content(needed)
            if now and made_from.get(needed.key, now) not in ("", now):
                return f"it was made from another {needed.describe()} than the store has now"
        return ""

    def content(self, step: Step) -> str:
        """Digest of a result, the same if it is computed again to the same bits; "" if unknown, absent or damaged."""
        where = self.folder(step)
        return "" if damage(where) else (described(where) or {}).get("content", "")

    def checked(self, key: str) -> Path:
        """The folder of a step, which may not exist; its files are checked when it is first asked for.

        Raises:
            DamagedError: the result in it is not what was written.
        """
        described(self.root / "steps" / key)
        return self.root / "steps" / key

    def meta(self, step: Step) -> dict[str, Any]:
        """The content of `step.json` of a finished step.

        Raises:
            DamagedError: the result is not what was written, or absent.
        """
        found = described(self.folder(step))
        if found is None:
            raise DamagedError(f"the store has no result of {step.describe()}")
        return found

    def scratch(self, step: Step) -> Path:
        """A folder for checkpoints, kept if the process is killed and removed when the step is finished."""
        folder = self.root / "scratch" / step.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def begun(self, step: Step, here: dict[str, Any]) -> list[dict[str, Any]]:
        """Provenance of the processes whose checkpoint this step goes on from; notes `here` beside it for the next."""
        folder = self.scratch(step)
        path, earlier = folder / "provenance.json", []
        if any(p != path and not p.name.startswith("part-") for p in folder.iterdir()):
            with suppress(OSError, ValueError):
                earlier = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps([*earlier, here]), encoding="utf-8")
        return earlier

    @contextmanager
    def writing(self, step: Step, meta: dict[str, Any]) -> Iterator[Path]:
        """Yield a temporary folder to fill; it becomes the result if the block ends without an error.

        `meta` may be filled inside the block.  If two processes run the same step in spite of claims, the result of
        the first to finish is kept, and the identical one of the other is deleted.
        """
        final = self.folder(step)
        part = self.root / "scratch" / step.key / f"{PART}{this_process()}-{next(_numbers)}"
        self.sweep(step)
        try:
            with readable_write_errors(step, OSError):
                final.parent.mkdir(parents=True, exist_ok=True)
                part.mkdir(parents=True)
            with readable_write_errors(step):
                yield part
            with readable_write_errors(step, OSError):
                whole = sealed(part, step.key, meta)
                (part / META).write_text(strict_json.dumps(whole) + "\n", encoding="utf-8")
                sync(part)
                self._publish(step, part)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            self.sweep(step)
        self.sweep(step, everything=True)

    def sweep(self, step: Step, everything: bool = False) -> None:
        """Delete half results that ended processes have left of a step; checkpoints only with `everything`."""
        folder = self.root / "scratch" / step.key
        with suppress(OSError):  # there is none, or checkpoints stay in it
            for left in folder.glob("*" if everything else f"{PART}*"):
                if everything or has_ended(left.name.removeprefix(PART)):
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
            folder.rmdir()

    def _publish(self, step: Step, part: Path) -> None:
        final = self.folder(step)
        if final.exists() and not self.has(step):
            self.set_aside(final)
        try:
            part.rename(final)
            sync(final.parent, inside=False)
        except OSError:
            if not self.has(step):
                raise

    def set_aside(self, folder: Path) -> Path:
        """Move a result that does not count to `damaged/`, under a name of its own; returns its new path."""
        (self.root / "damaged").mkdir(exist_ok=True)
        names = (folder.name if i == 1 else f"{folder.name}-{i}" for i in count(1))
        target = next(p for name in names if not (p := self.root / "damaged" / name).exists())
        with suppress(FileNotFoundError):  # another process has moved it
            folder.rename(target)
        return target


@contextmanager
def readable_write_errors(step: Step, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of a full disk and errors of these kinds into an `EigencodeError`; others pass unchanged."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, kinds) and system_error(error) not in {*FULL, errno.EROFS}:
            raise
        raise EigencodeError(
            f"cannot write the result of {step.describe()}: {error}\n  fix:    free disk space or choose another "
            "--store; every finished step is kept"
        ) from error
