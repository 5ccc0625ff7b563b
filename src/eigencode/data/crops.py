"""Crops of two photographs bundled with scikit-learn: natural image statistics without a download."""

from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.data._dataset import DataSet, Pair

CLASSES = ("china", "flower")
_TRAIN_SHARE = 0.8


def photograph_crops(n_train: int = 4000, n_test: int = 1000, size: int = 32, seed: int = 0) -> Pair:
    """Random square crops of the two photographs of scikit-learn, labelled by photograph.

    Training crops come from the left 80 % of the columns of each photograph and test crops from the rest, so no
    pixel is in both sets.  Crops of one set overlap.

    Args:
        n_train: number of training crops, half of them from each photograph.
        size: height and width of a crop in pixels, 1..128.

    Returns:
        (train, test), uint8, `3 x size x size`, classes `china` and `flower`.

    Raises:
        InputError: a crop does not fit.

    >>> train, test = photograph_crops(10, 4)
    >>> train.shape, len(test), train.classes
    ((3, 32, 32), 4, ('china', 'flower'))
    """
    admit(photograph_crops, locals())
    from sklearn.datasets import load_sample_images

    photographs = [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images]
    left, right = zip(*(_halves(photograph) for photograph in photographs), strict=True)
    return (
        _crops(left, n_train, size, stream(seed, "crops", "train"), "crops/train"),
        _crops(right, n_test, size, stream(seed, "crops", "test"), "crops/test"),
    )


def _halves(photograph: UInt8[Tensor, "c h w"]) -> tuple[UInt8[Tensor, "c h left"], UInt8[Tensor, "c h right"]]:
    """Split a photograph into the columns for training and for test crops."""
    border = round(_TRAIN_SHARE * photograph.shape[2])
    return photograph[:, :, :border], photograph[:, :, border:]


def _crops(photographs: tuple[Tensor, ...], n: int, size: int, generator: torch.Generator, name: str) -> Images:
    room = min(min(p.shape[1:]) for p in photographs)
    if not 1 <= size <= room or n < 1:
        raise InputError("no such crops", got=f"{n} of size {size}", wanted=f"at least 1, of size 1..{room}")
    labels = torch.arange(n) % len(photographs)
    crops = []
    for label in labels.tolist():
        _, height, width = photographs[label].shape
        top = int(torch.randint(height - size + 1, (), generator=generator))
        side = int(torch.randint(width - size + 1, (), generator=generator))
        crops.append(photographs[label][:, top : top + size, side : side + size])
    return Images(torch.stack(crops), labels, CLASSES, name)


def read_crops(paths: tuple[Path, ...] = ()) -> Pair:
    """The data set `crops`: 4000 training and 1000 test crops of 32 x 32 pixels."""
    return photograph_crops()


CROPS = DataSet(
    name="crops",
    shape=(3, 32, 32),
    n_train=4000,
    n_test=1000,
    classes=CLASSES,
    source="crops of the photographs china.jpg and flower.jpg, bundled with scikit-learn",
    read=read_crops,
)
