"""The 1797 handwritten digits of 8 x 8 pixels bundled with scikit-learn, for fast tests.

E. Alpaydin, C. Kaynak, Optical recognition of handwritten digits, UCI repository (1998), its test part.
"""

from pathlib import Path

import torch

from eigencode.data._dataset import DataSet, Pair
from eigencode.data._split import split_images

CLASSES = tuple("0123456789")


def read_digits(paths: tuple[Path, ...] = ()) -> Pair:
    """Read 1438 training and 359 test digits, `1 x 8 x 8`, float32 in [0, 1] (the stored 0..16 divided by 16).

    One fifth of each class, chosen with a fixed seed, is the test set.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.images).float().div(16)[:, None]
    labels = torch.from_numpy(bunch.target).long()
    return split_images(pixels, labels, CLASSES, "digits")


DIGITS = DataSet(
    name="digits",
    shape=(1, 8, 8),
    n_train=1438,
    n_test=359,
    classes=CLASSES,
    source="Alpaydin and Kaynak 1998 (UCI), bundled with scikit-learn",
    read=read_digits,
)
