"""Atomic writes of files and folders, and hashes."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder atomically: yield a temporary path, then sync it and rename it to `path`.

    After an error or a kill `path` is unchanged.  Several processes may write it at once: the last one wins.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(path) as part:
    ...     _ = part.write_text("all of it")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('all of it', 1)
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
        flush(part)
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Sync a file, or every file of a folder, to disk."""
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file that others may read as far as the umask says."""
    from safetensors.torch import save_file

    save_file(dict(tensors), str(path), metadata=None if metadata is None else dict(metadata))
    share(path)


def share(path: Path) -> None:
    """Give a file the permissions of a new one, by the umask; some libraries make theirs for the owner alone."""
    new = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        new.touch()
        path.chmod(new.stat().st_mode)
    finally:
        new.unlink(missing_ok=True)


def sha256(*parts: str | Tensor) -> str:
    """SHA-256 of the concatenated texts and tensor values, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
