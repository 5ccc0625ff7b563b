"""Write the results of a probe or a recording to a new folder."""

from pathlib import Path

from eigencode.base.errors import InputError
from eigencode.base.files import replacing
from eigencode.given.result import Given


def free(folder: Path) -> Path:
    """The folder, if it can be made and nothing is in it yet: a result is never overwritten.

    Raises:
        InputError: something is there already, or no folder can be made there.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: there is something already", wanted="a new or empty folder", fix="another --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("results cannot be kept there", got=error, fix="another --out") from None
    return folder


def write(found: Given, folder: Path) -> Path:
    """Save a result in a new folder, which appears when it is complete; return the path of its page."""
    folder = free(folder)
    try:
        with replacing(folder) as part:
            page = found.save(part)
            if folder.exists():
                folder.rmdir()
    except OSError as error:
        raise InputError("cannot write the result", got=error, fix="another --out") from error
    return folder / page.name
