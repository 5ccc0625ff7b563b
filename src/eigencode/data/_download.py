"""Download the files of a data set atomically, with checksums."""

import logging
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from eigencode.base.errors import DataError
from eigencode.base.files import share
from eigencode.base.progress import progress
from eigencode.data._dataset import DataSet, Remote
from eigencode.data._files import expected

_CHUNK = 1 << 16


def download(data: DataSet, root: Path, timeout: float = 30.0) -> None:
    """Download the missing files of a data set into the data folder `root`.

    Each file is written under a temporary name, checked against its SHA-256, and renamed last; archives are unpacked
    and deleted.  Several processes may download at once.  Existing files are kept.  Shows a progress bar on a
    terminal and prints nothing.

    Args:
        root: the data folder; made if it does not exist.
        timeout: seconds to wait for an answer before the next address is tried.

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
    """Download one file from the first address that serves the right content."""
    import pooch

    failures = []
    for url in remote.urls:
        bar = _PoochProgress(f"downloading {data.name}", remote.size)
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=timeout)
        try:
            with _silent(pooch.get_logger()):
                pooch.retrieve(url, f"sha256:{remote.sha256}", fname=remote.file, path=folder, downloader=downloader)
            share(folder / remote.file)
            return folder / remote.file
        except PermissionError:
            raise
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            failures.append(f"{url}: {_reason(error)}")
        finally:
            bar.close()
    raise DataError(
        f"{data.name}: the download of {remote.file} failed",
        got="; ".join(failures),
        wanted=f"{remote.size} bytes with SHA-256 {remote.sha256}",
        fix=f"try again; without a network, put {expected(data)} in a folder and name it with data_dir or "
        "EIGENCODE_DATA, or use mnist5k or digits, which need no download",
    )


def _unpack(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Extract the members beside the archive, then rename all of them into the folder."""
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


class _PoochProgress:
    """Adapter from the progress bar interface of pooch to `progress`."""

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
    """Suppress the messages of a logger inside the block."""
    nothing = logging.Filter("nothing has this name")
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


def _reason(error: Exception) -> str:
    """Cause of a failed download in one line, without the address and the number of retries."""
    cause = getattr(error.args[0], "reason", error) if error.args else error
    text = " ".join(str(cause).split())
    return f"wrong checksum ({text})" if type(error) is ValueError else f"{type(error).__name__}: {text}"
