"""Checksums of stored results: written with a result, checked when it is first read in a process."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from eigencode.base import strict_json
from eigencode.base.errors import EigencodeError
from eigencode.base.files import file_sha256

META = "step.json"
SEAL = {"key", "files", "content", "sha256"}
"""What `sealed` adds to the description of a step."""

SECONDS = re.compile(rb'\\?"seconds\\?": ?[-+.0-9e]+')
"""Computing time in a record or in the header of a safetensors file: two equal results differ in it."""


class DamagedError(EigencodeError):
    """A stored result is not what was written."""


def signed(value: dict[str, Any]) -> dict[str, Any]:
    """The value as JSON gives it back, with a digest of its content under "sha256".

    >>> intact(signed({"a": 1.5})), intact({**signed({"a": 1.5}), "a": 2.5}), intact({"a": 1.5})
    (True, False, True)
    """
    plain = json.loads(strict_json.dumps({k: v for k, v in value.items() if k != "sha256"}))
    return {**plain, "sha256": _digest(plain)}


def intact(value: dict[str, Any]) -> bool:
    """False if the content is not the one that was signed; a value without a digest is taken as it is."""
    return value.get("sha256") in (None, _digest({k: v for k, v in value.items() if k != "sha256"}))


def sealed(folder: Path, key: str, meta: dict[str, Any], without: str = "") -> dict[str, Any]:
    """Build the content of `step.json`: `meta`, the key, size and SHA-256 of every file, and a digest of all of it.

    `content` is a digest of the files without the computing time in them: equal for results that are equal.
    """
    files, content = {}, hashlib.sha256()
    for name in sorted(set(_names(folder)) - {without}):
        files[name] = {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)}
        content.update(f"{name}:{_timeless(folder / name)}\n".encode())
    return signed({**meta, "key": key, "files": files, "content": content.hexdigest()})


def described(folder: Path) -> dict[str, Any] | None:
    """The description of the finished step in this folder, whose files are checked first; None without a folder.

    Steps of older versions have no checksums and are taken as they are.

    Raises:
        DamagedError: a file differs from the one that was written, is missing, or belongs to another step.
    """
    found, wrong = _examined(folder)
    if wrong:
        raise DamagedError(
            f"the stored result {folder.name} is damaged: {wrong}\n  got:    {folder}\n"
            "  fix:    eigencode run computes it again; a probe or a recording has to be repeated"
        )
    return found


def damage(folder: Path) -> str:
    """What is damaged in the folder of a step, in one sentence; "" if nothing is."""
    return _examined(folder)[1]


def refuse(wrong: dict[str, str]) -> None:
    """Raise if there are results that do not count, given what is wrong with each."""
    if wrong:
        listed = "\n".join(f"  {name}: {why}" for name, why in wrong.items())
        raise DamagedError(f"stored results that do not count:\n{listed}\n  fix:    eigencode run computes them again")


def is_sealed(meta: dict[str, Any]) -> bool:
    """False for the description of a step of an older version, without checksums."""
    return not SEAL.isdisjoint(meta)


def _examined(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The description of a step and what is damaged in it."""
    try:
        seen = (folder / META).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None, f"{META} is missing" if folder.exists() else ""
    return _examined_once(folder, (seen.st_ino, seen.st_mtime_ns, seen.st_size))


@cache
def _examined_once(folder: Path, stamp: tuple[int, ...]) -> tuple[dict[str, Any] | None, str]:
    """The same, once per process and `step.json`: a result that was computed again has another `stamp`."""
    try:
        meta = json.loads((folder / META).read_bytes())
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        return None, f"{META} is not JSON any more"
    try:
        return (None, wrong) if is_sealed(meta) and (wrong := _wrong(folder, meta)) else (meta, "")
    except PermissionError:
        raise
    except OSError as error:  # such as a bad sector
        return None, f"a file cannot be read: {error}"


def _wrong(folder: Path, meta: dict[str, Any]) -> str:
    if not set(meta) >= SEAL or not intact(meta):
        return f"{META} differs from what was written"
    if meta["key"] != folder.name:
        return f"it is that of another step, {meta['key']}"
    here, listed = set(_names(folder)), meta["files"]
    if missing := sorted(set(listed) - here):
        return f"{missing[0]} is missing"
    if more := sorted(here - set(listed)):
        return f"{more[0]} does not belong to it"
    for name, entry in listed.items():
        if (size := (folder / name).stat().st_size) != entry["bytes"]:
            return f"{name} has {size} bytes instead of {entry['bytes']}"
    for name, entry in listed.items():
        if file_sha256(folder / name) != entry["sha256"]:
            return f"{name} differs from what was written"
    return ""


def _names(folder: Path) -> Iterator[str]:
    """All files below a folder but its description and hidden ones, which some systems add."""
    for where, _, names in os.walk(folder):
        inner = Path(where).relative_to(folder)
        yield from (p for n in names if not n.startswith(".") and (p := (inner / n).as_posix()) != META)


def _timeless(path: Path) -> str:
    """Digest of a file without computing times, and without the order of names in the header of a safetensors file."""
    with path.open("rb") as file:
        head = b""
        if path.suffix == ".json":
            head = file.read()
        elif path.suffix == ".safetensors":
            head = file.read(int.from_bytes(file.read(8), "little"))
            with suppress(ValueError, AttributeError):
                names = json.loads(head)
                names.get("__metadata__", {}).pop("sha256", None)  # of a checkpoint, over the computing time, too
                head = json.dumps(names, sort_keys=True).encode()
        return f"{_bytes_digest(SECONDS.sub(b'', head))}:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _digest(value: object) -> str:
    return _bytes_digest(json.dumps(value, sort_keys=True).encode())


def _bytes_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
