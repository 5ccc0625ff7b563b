"""Description of a data set: its contents, its reader, its files and their download addresses."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eigencode.base.types import Images

Pair = tuple[Images, Images]
"""(training images, test images)."""


@dataclass(frozen=True)
class Layout:
    """Files of a data set on disk.

    Args:
        folders: sub-folders of a data folder that may hold the files, in the order they are tried; `""` is the
            data folder itself.  Downloads go into the first.
        files: per file its possible names, in the order they are tried.
        lookalikes: (file or folder name, remark for the error message) of files that are often mistaken for the
            data set.
    """

    folders: tuple[str, ...] = ("",)
    files: tuple[tuple[str, ...], ...] = ()
    lookalikes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Remote:
    """One file to download.

    Args:
        urls: addresses, in the order they are tried.
        sha256: checksum of the downloaded file, 64 hexadecimal digits.
        members: if the file is a tar archive, the paths inside it that are unpacked (without their folders).
    """

    file: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """A data set that can be loaded by name.

    Args:
        shape: (channels, height, width).
        read: function from the paths of `layout.files`, in that order (none for a bundled set), to (train, test).
        layout: files on disk; none for a set that is bundled with a dependency.
    """

    name: str
    shape: tuple[int, int, int]
    n_train: int
    n_test: int
    classes: tuple[str, ...]
    source: str
    read: Callable[[tuple[Path, ...]], Pair]
    layout: Layout = Layout()
    remotes: tuple[Remote, ...] = ()

    @property
    def bundled(self) -> bool:
        """True if the images are bundled with a dependency of eigencode."""
        return not self.layout.files
