"""A fixed split into training and test images that depends on no random generator of any library."""

import hashlib
from collections.abc import Sequence


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
    quota = {c: min(max(1, round(fraction * n)), n - 1) for c, n in _sizes(labels).items()}
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


def _sizes(labels: Sequence[int]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for label in labels:
        sizes[label] = sizes.get(label, 0) + 1
    return sizes
