"""A fixed split into training and test images that depends on no random generator of any library."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from eigencode.base.types import Images
from eigencode.data.dataset import Pair


def stratified_split(
    labels: Sequence[int], keys: Sequence[str], fraction: float, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Indices (train, test), both shuffled, with the share `fraction` of every class in the second.

    Each class gives round(fraction x its size) of its images to the test set, but at least one and never all.
    Choice and order are those of SHA-256 hashes of seed and key, so they are the same on every machine and with
    every version of every library, and do not depend on the order of the arguments.

    Args:
        labels: class number of each image; every class needs two images at least.
        keys: a distinct name for each image, such as its index or file name.
        fraction: between 0 and 1.
        seed: another seed gives another split.

    >>> train, test = stratified_split([0] * 8 + [1] * 4, [str(i) for i in range(12)], 0.25)
    >>> len(train), sorted(i // 8 for i in test)
    (9, [0, 0, 1])
    """
    quota = {c: min(max(1, round(fraction * n)), n - 1) for c, n in Counter(labels).items()}
    train: list[int] = []
    test: list[int] = []
    for i in _shuffled(range(len(labels)), keys, f"choice {seed}"):
        if quota[labels[i]] > 0:
            quota[labels[i]] -= 1
            test.append(i)
        else:
            train.append(i)
    # A second shuffle: in the order of choice, the first training images lack the classes still filling the test set.
    return _shuffled(train, keys, f"order {seed}"), _shuffled(test, keys, f"order {seed}")


def _shuffled(index: Sequence[int], keys: Sequence[str], purpose: str) -> list[int]:
    return sorted(index, key=lambda i: hashlib.sha256(f"{purpose}:{keys[i]}".encode(errors="surrogateescape")).digest())


def split_images(pixels: Tensor, labels: Tensor, classes: Sequence[str], name: str) -> Pair:
    """(train, test) of a set that comes without a split: one fifth of each class is the test set."""
    chosen = stratified_split(labels.tolist(), [f"{name}:{i}" for i in range(len(labels))], 0.2)
    train, test = (
        Images(pixels[i], labels[i], classes, f"{name}/{part}") for i, part in zip(chosen, ("train", "test"))
    )
    return train, test
