"""Write the results of a probe, a profile or a recording to a new folder."""

from pathlib import Path

from eigencode.base.durable import replacing
from eigencode.base.errors import InputError
from eigencode.given.profiled import Profile
from eigencode.given.result import Given


def new_folder(folder: Path) -> Path:
    """Check that results can be written to `folder` without overwriting anything; returns its absolute path.

    Raises:
        InputError: the folder is not empty, is a file, or cannot be created.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already", wanted="a new or empty folder", fix="another --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("cannot create the folder for the results", got=error, fix="another --out") from None
    return folder


def write(found: Given | Profile, folder: Path) -> Path:
    """Save a result to a new folder, which is created only when complete; returns the path of its page."""
    folder = new_folder(folder)
    try:
        with replacing(folder) as part:
            page = found.save(part)
            if folder.exists():
                folder.rmdir()
    except OSError as error:
        raise InputError("cannot write the result", got=error, fix="another --out") from error
    return folder / page.name
