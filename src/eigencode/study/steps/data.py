"""Data sets as inputs of steps: loaded once per process, identified by the hash of their images."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eigencode.base.errors import StudyError
from eigencode.base.types import Images
from eigencode.study.step import Source


@dataclass(frozen=True)
class Data(Source):
    """Training and test images of a data set; `sha256` covers both and the number of images taken."""

    name: str
    data_dir: str | None
    train_images: int | None
    test_images: int | None

    @property
    def training(self) -> str:
        """The hash of the training images, the only part of the data that affects training."""
        return self.sha256.partition(":")[0]

    def pair(self) -> tuple[Images, Images]:
        """(training images, test images)."""
        return _load(self.name, self.data_dir, self.train_images, self.test_images)


def data(
    name: str, data_dir: Path | str | None, train_images: int | None = None, test_images: int | None = None
) -> Data:
    """Load the data set `name`, or its first images, and record its hash."""
    where = None if data_dir is None else str(data_dir)
    train, test = _load(name, where, train_images, test_images)
    return Data(name, f"{train.sha256}:{test.sha256}", name, where, train_images, test_images)


@cache
def _load(name: str, data_dir: str | None, n_train: int | None, n_test: int | None) -> tuple[Images, Images]:
    from eigencode.data.catalogue import load  # imported here: keys contain the hash of the images, not this code

    train, test = load(name, data_dir)
    for part, images, asked in (("train", train, n_train), ("test", test, n_test)):
        if asked is not None and asked > len(images):
            raise StudyError(
                f"{name} has fewer images than {part}_images",
                got=asked,
                wanted=f"at most {len(images)}",
                fix=f"--set {part}_images={len(images)}",
            )
    return train[: n_train or len(train)], test[: n_test or len(test)]
