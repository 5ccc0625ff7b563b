"""Files written by `torch.save`: those that would take far more memory or time than their size are refused unread."""

import io
import pickletools
import zipfile
from pathlib import Path
from typing import Any

from eigencode.base.errors import InputError
from eigencode.base.reading import affordable

OLD_FORMAT = 5
"""A file that is no zip archive begins with so many lists of instructions, and then come the numbers."""

LONGEST = 200
"""Letters in the name of a class; torch looks through the name of an unknown one again and again."""


def refuse_growth(path: Path, wanted: str, fix: str) -> None:
    """Raise `InputError` for a file that declares, or makes as it is read, far more bytes than it has.

    `wanted` and `fix` are the other lines of the error.

    The restricted unpickler of torch calls a few functions that a file names: two of them make bytes of any number.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            affordable(path.name, sum(m.file_size for m in members), path.stat().st_size, fix)
            for member in members:
                if member.filename.lower().endswith(".pkl"):
                    _refuse_calls(path, io.BytesIO(archive.read(member)), wanted, fix)
    else:
        with path.open("rb") as file:
            for _ in range(OLD_FORMAT):
                _refuse_calls(path, file, wanted, fix)


def _refuse_calls(path: Path, instructions: Any, wanted: str, fix: str) -> None:
    """Raise `InputError` for a list of instructions that names too long a class, or makes bytes."""
    names: set[str] = set()
    texts: set[str] = set()
    for instruction, word, _ in pickletools.genops(instructions):
        if instruction.name == "GLOBAL":
            names.add(str(word))
        elif isinstance(word, str) and len(word) <= LONGEST:
            texts.add(word.lower())
    encodes = any(name.startswith("_codecs ") for name in names) and any(map(_grows, texts))
    if encodes or any("bytearray" in name or len(name) > LONGEST for name in names):
        got = "calls that make bytes"
        raise InputError(f"{path.name} holds more than tensors", got=got, wanted=wanted, fix=fix)


def _grows(text: str) -> bool:
    """True for the name of an encoding that makes text or bytes longer; an honest file has bytes as `latin1`."""
    return text.startswith(("hex", "base64", "base_64", "quopri", "quoted", "uu", "idna", "punycode"))
