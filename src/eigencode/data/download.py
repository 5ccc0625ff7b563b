"""Download the files of a data set: checked, and complete or not there at all."""

import logging
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from eigencode.base.errors import DataError
from eigencode.base.progress import progress
from eigencode.data.dataset import DataSet, Remote

_CHUNK = 1 << 16


def download(data: DataSet, root: Path, timeout: float = 30.0) -> None:
    """Put the files of a data set that are not there yet below the data folder `root`.

    Each file is written under a temporary name, checked against its SHA-256, and renamed last; so are the files of
    an archive, which is not kept.  Several processes may do this at once.  Files that are there already are left
    alone.  A progress bar appears on standard error if that is a terminal; nothing is printed.

    Args:
        data: a row of the table with something to download.
        root: the data folder; made if it does not exist.
        timeout: seconds without an answer after which an address is given up.

    Raises:
        DataError: no address gave the right file, or the folder cannot be written.
    """
    folder = root / data.layout.folders[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for remote in data.remotes:
            names = [PurePosixPath(member).name for member in remote.members] or [remote.file]
            if all((folder / name).is_file() for name in names):
                continue
            if remote.members:
                with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
                    archive = _retrieve(data, remote, Path(scratch), timeout)
                    _unpack(archive, remote.members, folder)
            else:
                _retrieve(data, remote, folder, timeout)
    except OSError as error:
        raise DataError(
            f"{data.name}: the data folder cannot be written",
            got=error,
            wanted=f"a folder with room at {folder}",
            fix="free some space, or choose another folder with data_dir",
        ) from error


def _retrieve(data: DataSet, remote: Remote, folder: Path, timeout: float) -> Path:
    import pooch

    failures = []
    for url in remote.urls:
        meter = _Meter(f"downloading {data.name}", remote.size)
        downloader = pooch.HTTPDownloader(progressbar=meter, chunk_size=_CHUNK, timeout=timeout)
        try:
            with _silent(pooch.get_logger()):
                pooch.retrieve(url, f"sha256:{remote.sha256}", fname=remote.file, path=folder, downloader=downloader)
            return folder / remote.file
        except PermissionError:
            raise
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            failures.append(f"{url}: {_reason(error)}")
        finally:
            meter.close()
    raise DataError(
        f"{data.name}: the download of {remote.file} failed",
        got="; ".join(failures),
        wanted=f"{remote.size} bytes with SHA-256 {remote.sha256}",
        fix="try again; without a network, put the files in a folder and name it with data_dir or EIGENCODE_DATA, "
        "or use mnist5k or digits, which need no download",
    )


def _unpack(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Unpack beside the archive, and rename the files into the folder when all of them are complete."""
    with tarfile.open(archive) as tar:
        paths = []
        for member in members:
            try:
                source = tar.extractfile(member)
            except KeyError:
                source = None
            if source is None:
                raise DataError(f"{archive}: the archive lacks a file", wanted=member)
            path = archive.parent / PurePosixPath(member).name
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            paths.append(path)
        for path in paths:
            os.replace(path, folder / path.name)


class _Meter:
    """What pooch asks of a progress bar, drawn by ours."""

    def __init__(self, label: str, size: int) -> None:
        self.total = 0
        self._ticks: Iterator[int] | None = progress(range(-(-size // _CHUNK)), label)

    def update(self, _: int) -> None:
        if self._ticks is not None:
            next(self._ticks, None)

    def reset(self) -> None:
        self.close()

    def close(self) -> None:
        self._ticks = None  # ends the generator, which clears its line


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch's messages off the terminal, and its logger as it was."""
    nothing = logging.Filter("nothing has this name")
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


def _reason(error: Exception) -> str:
    """One line; of a failed connection, what the innermost layer said, without the address and the retries again."""
    cause = getattr(error.args[0], "reason", error) if error.args else error
    text = " ".join(str(cause).split())
    return f"wrong checksum ({text})" if type(error) is ValueError else f"{type(error).__name__}: {text}"
