"""Reproducible split into training and test images by hashes, independent of any random generator."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from eigencode.base.types import Images
from eigencode.data._dataset import Pair


def stratified_split(
    labels: Sequence[int], keys: Sequence[str], fraction: float, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Split indices into shuffled (train, test) with the share `fraction` of every class in `test`.

    Each class gives round(fraction x its size) images to the test set, but at least one and never all.  Choice and
    order follow SHA-256 hashes of seed and key: they are the same on every machine and for every version of every
    library, and do not depend on the order of the arguments.

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
    # shuffle again: while the test set fills up, training images of those classes come late
    return _shuffled(train, keys, f"order {seed}"), _shuffled(test, keys, f"order {seed}")


def _shuffled(index: Sequence[int], keys: Sequence[str], purpose: str) -> list[int]:
    """Sort indices by the hash of their key."""
    return sorted(index, key=lambda i: hashlib.sha256(f"{purpose}:{keys[i]}".encode(errors="surrogateescape")).digest())


def split_images(pixels: Tensor, labels: Tensor, classes: Sequence[str], name: str) -> Pair:
    """Split images that come without a test set; it gets one fifth of each class."""
    chosen = stratified_split(labels.tolist(), [f"{name}:{i}" for i in range(len(labels))], 0.2)
    train, test = (
        Images(pixels[i], labels[i], classes, f"{name}/{part}") for i, part in zip(chosen, ("train", "test"))
    )
    return train, test
