"""Find the files of a data set: in a given folder, in `EIGENCODE_DATA`, or in the download cache."""

import os
import shlex
from pathlib import Path

from eigencode.base.errors import DataError
from eigencode.data._dataset import DataSet, Layout

ENVIRONMENT = "EIGENCODE_DATA"

Where = str | os.PathLike[str] | None
"""A data folder, or None for `EIGENCODE_DATA` and the cache."""


def cache_folder() -> Path:
    """Folder of downloads, inside the cache folder of the operating system (honours `XDG_CACHE_HOME`)."""
    import pooch

    return Path(pooch.os_cache("eigencode")).expanduser()


def find(data: DataSet, data_dir: Where = None) -> tuple[Path, ...] | None:
    """Find the files of a data set, in the order of its layout; None if there are none yet.

    Searches `data_dir` alone if it is given, else `EIGENCODE_DATA` if it is set, then the cache.

    Raises:
        DataError: `data_dir` lacks the data set; a folder named by the user does not exist, or holds only a
            part of the data set.  (A part in the cache is an unfinished download.)
    """
    named = _named_by_user(data_dir)
    if named is not None:
        root, how = named
        if not root.is_dir():
            raise DataError(
                f"{data.name}: the data folder does not exist",
                got=f"{root} (from {how})",
                wanted="an existing folder",
                fix=f"correct {how}, or leave it out to use the cache{_or_fetch(data, root)}",
            )
        found = locate(data.layout, root)
        if found is not None:
            return found
        part = _most_complete(data.layout, root)
        if part is not None:
            raise _incomplete(data, root, *part)
        if data_dir is not None:
            raise _absent(data, root)
    return locate(data.layout, cache_folder())


def locate(layout: Layout, root: Path) -> tuple[Path, ...] | None:
    """Find all files of a layout in the first sub-folder of a data folder that is complete; else None."""
    for folder in layout.folders:
        found, missing = _match(layout, root / folder)
        if not missing:
            return tuple(found)
    return None


def _named_by_user(data_dir: Where) -> tuple[Path, str] | None:
    """The folder given by the user and the name of the setting that gave it; None without one."""
    if data_dir is not None:
        return Path(data_dir).expanduser(), "data_dir"
    variable = os.environ.get(ENVIRONMENT)
    return (Path(variable).expanduser(), ENVIRONMENT) if variable else None


def _match(layout: Layout, folder: Path) -> tuple[list[Path], list[str]]:
    """The files of a layout found in a folder, and the names of the missing ones."""
    found: list[Path] = []
    missing: list[str] = []
    for names in layout.files:
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            missing.append(names[0])
        else:
            found.append(path)
    return found, missing


def _most_complete(layout: Layout, root: Path) -> tuple[Path, list[str]] | None:
    parts = [(root / folder, *_match(layout, root / folder)) for folder in layout.folders]
    folder, found, missing = max(parts, key=lambda part: len(part[1]))
    return (folder, missing) if found else None


def _incomplete(data: DataSet, root: Path, folder: Path, missing: list[str]) -> DataError:
    return DataError(
        f"{data.name}: the copy in {folder} is not complete",
        got=f"no {', '.join(missing)}",
        wanted=f"{expected(data)} in one folder",
        fix=f"add the missing files{_or_fetch(data, root)}",
    )


def _absent(data: DataSet, root: Path) -> DataError:
    tried = ", ".join(str(root / folder) for folder in data.layout.folders)
    seen = [
        f"{root / folder / name} {remark}"
        for name, remark in data.layout.lookalikes
        for folder in ("", data.name)
        if (root / folder / name).exists()
    ]
    return DataError(
        f"{data.name}: not found in the data folder",
        got="; ".join([f"no such files in {tried}", *seen]),
        wanted=expected(data),
        fix=f"correct data_dir, or leave it out to use the cache{_or_fetch(data, root)}",
    )


def expected(data: DataSet) -> str:
    """Names of the files of a data set."""
    return ", ".join(names[0] for names in data.layout.files)


def _or_fetch(data: DataSet, root: Path) -> str:
    return (
        f", or download them: eigencode data fetch {data.name} --data-dir {shlex.quote(str(root))}"
        if data.remotes
        else ""
    )
