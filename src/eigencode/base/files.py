"""Tensors in files, permissions of files, and hashes."""

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


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


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256(*parts: str | Tensor) -> str:
    """SHA-256 of the concatenated texts and tensor values, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
        else:
            values = part.detach().cpu().contiguous()
            digest.update((values.view(torch.int16) if values.dtype == torch.bfloat16 else values).numpy().data)
    return digest.hexdigest()
