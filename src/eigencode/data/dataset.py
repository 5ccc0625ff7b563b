"""What a data set is: a description, a reader, and where its files can be found."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eigencode.base.types import Images

Pair = tuple[Images, Images]
"""(training images, test images)."""


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Args:
        folders: sub-folders of a data folder that may hold the files, in the order they are tried; `""` is the
            data folder itself.  The first is where a download goes.
        files: one entry per file, each with all the names it is known by, in the order they are tried.
        lookalikes: (file or folder name, what to tell somebody who has only this) for things that are often
            mistaken for the data set.
    """

    folders: tuple[str, ...] = ("",)
    files: tuple[tuple[str, ...], ...] = ()
    lookalikes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Remote:
    """One file to download.

    Args:
        file: its name on disk.
        urls: where it can be had, in the order they are tried.
        sha256: checksum of the file as it is served, 64 hexadecimal digits.
        size: its length in bytes, for the progress bar.
        members: if the file is a tar archive, the paths inside it that are unpacked (without their folders).
    """

    file: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """One row of the table of data sets.

    Args:
        name: what `load` calls it.
        shape: (channels, height, width).
        n_train: images of the original training set.
        n_test: images of the original test set.
        classes: class names in label order.
        source: where the images come from, for people.
        read: from the paths of `layout.files`, in that order (none for a bundled set), to (train, test).
        layout: without files for a set that is bundled with a package eigencode depends on.
        remotes: what to download when there is no local copy.
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
        """True if the images come with a package eigencode depends on."""
        return not self.layout.files
