"""Images accept what is an image and name what is not."""

import math
from typing import Any

import numpy as np
import pandas
import pytest
import torch
import xarray

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.base.types import Bounds, Images


def pixels(n: int = 6, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    x = torch.rand(n, 2, 3, 4, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.1
    return (x * 255).to(torch.uint8) if dtype == torch.uint8 else x.to(dtype)


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def with_value(value: float) -> torch.Tensor:
    x = pixels()
    x[4, 1, 2, 3] = value
    return x


def blank(dtype: torch.dtype) -> torch.Tensor:
    x = pixels(dtype=dtype)
    x[[1, 3]] = 0
    return x


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pixels": pixels()[0]}, "wrong shape"),
        ({"pixels": pixels()[:0], "y": LABELS[:0]}, "wrong shape"),
        ({"pixels": pixels()[..., :0]}, "wrong shape"),
        ({"pixels": "a.png"}, "pixels is not an array"),
        ({"pixels": pixels(dtype=torch.uint8).to(torch.int64)}, "wrong type of pixel"),
        ({"pixels": pixels().bool()}, "wrong type of pixel"),
        ({"y": LABELS[:5]}, "labels do not fit"),
        ({"y": LABELS.float()}, "labels do not fit"),
        ({"y": LABELS[:, None]}, "labels do not fit"),
        ({"y": None}, "labels is not an array"),
        ({"y": LABELS - 1}, "out of range"),
        ({"classes": ("a", "b")}, r"out of range\n.*0\.\.2\n.*0\.\.1"),
        ({"classes": ()}, "out of range"),
        ({"pixels": with_value(math.nan)}, r"1 images hold NaN or Inf\n.*\[4\]"),
        ({"pixels": with_value(math.inf)}, "NaN or Inf"),
        ({"pixels": with_value(-0.01)}, r"out of range\n.*-0\.01"),
        ({"pixels": with_value(1.01)}, r"out of range\n.*1\.01"),
        ({"pixels": pixels() * 255}, "x / 255"),
        ({"pixels": blank(torch.float32)}, r"2 images are zero everywhere\n.*\[1, 3\]"),
        ({"pixels": blank(torch.uint8)}, r"2 images are zero everywhere\n.*\[1, 3\]"),
    ],
)
def test_what_is_not_an_image_is_named(changes: dict[str, Any], says: str) -> None:
    arguments = {"pixels": pixels(), "y": LABELS, "classes": None, "name": "mine", **changes}
    with pytest.raises(InputError, match=f"(?s)mine: .*{says}"):
        Images(**arguments)


def test_uint8_is_kept_and_scaled_when_used() -> None:
    raw = pixels(dtype=torch.uint8)
    images = Images(raw, LABELS)
    assert images.pixels.dtype == torch.uint8
    torch.testing.assert_close(images.x, raw.float() / 255, rtol=0, atol=0)
    images.x.zero_()  # a copy: the images stay
    torch.testing.assert_close(images.pixels, raw, rtol=0, atol=0)
    assert int(images.pixels.max()) > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float32])
def test_floats_become_float32_without_gradient(dtype: torch.dtype) -> None:
    x = pixels(dtype=dtype).requires_grad_()
    images = Images(x, LABELS.to(torch.int32))
    assert images.x.dtype == torch.float32
    assert not images.x.requires_grad
    assert images.y.dtype == torch.int64
    torch.testing.assert_close(images.x, x.detach().float(), rtol=0, atol=0)


def test_what_it_says_of_itself() -> None:
    images = Images(pixels(), LABELS, ["cat", "dog", "eel", "fox"], "zoo")
    assert (len(images), images.shape, images.inputs) == (6, (2, 3, 4), 24)
    assert images.classes == images.class_names == ("cat", "dog", "eel", "fox")
    assert images.bounds == Bounds(0.0, 1.0)
    assert Images(pixels(), LABELS).class_names == ("0", "1", "2")


def test_subsets_keep_names_and_classes() -> None:
    images = Images(pixels(), LABELS, ["cat", "dog", "eel"], "zoo")
    mask = torch.tensor([False, True, True, False, False, False])
    for index in (slice(1, 3), torch.tensor([1, 2]), [1, 2], mask):
        part = images[index]
        torch.testing.assert_close((part.x, part.y), (images.x[1:3], images.y[1:3]), rtol=0, atol=0)
        assert (part.class_names, part.name) == (images.class_names, "zoo")
    with pytest.raises(InputError, match="wrong shape"):
        images[6:]


def test_the_hash_follows_pixels_labels_classes_and_type_but_not_the_name() -> None:
    x, y = pixels(dtype=torch.uint8), LABELS
    changed = x.clone()
    changed[5, 1, 2, 3] ^= 1
    same = {Images(x, y).sha256, Images(x.clone(), y.int(), ("0", "1", "2"), "other").sha256}
    assert len(same) == 1
    other = [
        Images(changed, y),
        Images(x, y.roll(1)),
        Images(x, torch.tensor([0, 1, 2, 0, 1, 1])),
        Images(x, y, ("a", "b", "c")),
        Images(x.float() / 255, y),
        Images(x.reshape(6, 2, 4, 3), y),
        Images(x.flip(0), y),
    ]
    assert len(same | {i.sha256 for i in other}) == 1 + len(other)
    strided = Images(x.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2), y)
    assert strided.sha256 in same


def test_split_is_random_disjoint_complete_and_reproducible() -> None:
    n = 50
    x = torch.linspace(0.01, 1, n)[:, None, None, None].expand(n, 1, 2, 2)
    images = Images(x, torch.arange(n) % 5)
    rest, part = images.split(0.3, seed=4)
    assert (len(rest), len(part)) == (35, 15)
    everything = torch.cat([rest.x, part.x])[:, 0, 0, 0].sort().values
    torch.testing.assert_close(everything, images.x[:, 0, 0, 0], rtol=0, atol=0)
    again, other = images.split(0.3, seed=4)[1], images.split(0.3, seed=5)[1]
    torch.testing.assert_close(again.x, part.x, rtol=0, atol=0)
    assert not torch.equal(other.x, part.x)
    assert not torch.equal(part.x[:, 0, 0, 0].sort().values, images.x[:15, 0, 0, 0])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 0.01, 0.99, math.nan])
def test_a_split_with_nothing_on_one_side_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match="cannot split"):
        Images(pixels(), LABELS).split(fraction)


def test_bounds() -> None:
    box = Bounds(-1.0, 2.0)
    x = torch.tensor([-3.0, -1.0, 0.0, 2.0, 5.0])
    torch.testing.assert_close(box.clip(x), torch.tensor([-1.0, -1.0, 0.0, 2.0, 2.0]), rtol=0, atol=0)
    assert float(x[0]) == -3
    assert box.contains(x[1:4])
    assert box.contains(x[1:4] - 5e-7)
    assert not box.contains(x[1:4] - 2e-6)
    assert not box.contains(x[3:] + 0.0)
    assert not box.contains(x, tolerance=1.9)
    assert box.contains(x, tolerance=3.0)
    assert Bounds.none().contains(torch.tensor([-1e30, 1e30]))
    torch.testing.assert_close(Bounds.none().clip(x), x, rtol=0, atol=0)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.nan)])
def test_an_empty_box_is_refused(lower: float, upper: float) -> None:
    with pytest.raises(InputError, match="the box is empty"):
        Bounds(lower, upper)


def test_records_of_numpy_views() -> None:
    images = Images(pixels(dtype=torch.uint8), LABELS)
    assert np.asarray(images.pixels).dtype == np.uint8


def some(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(6, 32, 32, 3), (6, 28, 28, 1), (6, 5, 9, 4), (6, 9, 5, 3)])
def test_channels_last_are_refused_and_the_advice_works(shape: tuple[int, ...]) -> None:
    x = some(*shape)
    for given in (x, x.numpy()):
        with pytest.raises(InputError, match=r"channels are the last axis[\s\S]*permute\(0, 3, 1, 2\)"):
            Images(given, LABELS)
        assert Images(torch.as_tensor(given).permute(0, 3, 1, 2), LABELS).shape == (shape[3], *shape[1:3])
    named = xarray.DataArray(x.numpy(), dims=("image", "height", "width", "channel"))
    assert Images(named, LABELS).shape == (shape[3], *shape[1:3])


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 1, 2), (64, 4, 4), (3, 3, 3), (3, 8, 2), (4, 9, 3)])
def test_channels_first_are_accepted(shape: tuple[int, ...]) -> None:
    assert Images(some(6, *shape), LABELS).shape == shape


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("shape", "labels", "advice", "use"),
    [
        ((6, 28, 28), LABELS, r"x\[:, None\]", lambda x: x[:, None]),
        ((28, 28, 3), LABELS[:1], r"x\.permute\(2, 0, 1\)\[None\]", lambda x: x.permute(2, 0, 1)[None]),
        ((3, 28, 28), LABELS[:1], r"x\[None\]", lambda x: x[None]),
        ((9, 8, 3, 6), LABELS, r"permute\(3, 2, 0, 1\)", lambda x: torch.as_tensor(x).permute(3, 2, 0, 1)),
    ],
)
def test_the_advice_for_other_shapes_works(shape: Any, labels: torch.Tensor, advice: str, use: Any) -> None:
    with pytest.raises(InputError, match=advice):
        Images(some(*shape), labels)
    assert len(Images(use(some(*shape)), labels)) == len(labels)


@pytest.mark.usefixtures("unchecked")
def test_the_advice_for_labels_works() -> None:
    x = some(6, 1, 4, 4)
    words = np.array(["cat", "dog", "cat", "emu", "dog", "cat"])
    for given in (words, words.tolist(), pandas.Series(words), pandas.Series(words, dtype="category")):
        with pytest.raises(InputError, match=r"labels are text[\s\S]*np\.unique"):
            Images(x, given)
    classes, y = np.unique(words, return_inverse=True)
    assert Images(x, y, classes.tolist()).classes == ("cat", "dog", "emu")
    with pytest.raises(InputError, match=r"y\.argmax\(1\)"):
        Images(x, np.eye(6))
    assert len(Images(x, np.eye(6).argmax(1))) == 6
    with pytest.raises(InputError, match=r"torch\.as_tensor\(y\)\.long\(\)"):
        Images(x, LABELS.double())
    with pytest.raises(InputError, match=r"y\.reshape\(-1\)"):
        Images(x, LABELS[:, None])
    with pytest.raises(InputError, match=r"1\.\.3[\s\S]*y - 1"):
        Images(x, LABELS + 1, ("a", "b", "c"))
    huge = LABELS + 30_000_000
    with pytest.raises(InputError, match=r"labels are out of range[\s\S]*torch\.unique"):
        Images(x, huge)
    numbers, y_ = torch.unique(huge, return_inverse=True)
    named = Images(x, y_, [str(c) for c in numbers.tolist()])
    assert named.class_names[0] == "30000000"


def test_labels_from_one_are_told_where_the_classes_have_no_names() -> None:
    with pytest.warns(EigencodeWarning, match=r"labels 1\.\.3: class 0 has no image"):
        Images(pixels(), LABELS + 1)
    Images(pixels(), LABELS * 2 + 1)  # some of many classes


def test_images_of_other_libraries_are_the_same_images() -> None:
    expected = Images(pixels(), LABELS)
    for x, y in (
        (pixels().numpy(), LABELS.numpy()),
        (pixels().numpy().astype(">f4"), LABELS.numpy().astype(">i2")),
        (pixels().tolist(), LABELS.tolist()),
        (list(pixels()), pandas.Series(LABELS.numpy())),
    ):
        assert Images(x, y).sha256 == expected.sha256


def test_uint8_of_zeros_and_ones_is_told() -> None:
    """Of 255 a pixel of 1 is black: who has binary images means white."""
    binary = (pixels() > 0.5).to(torch.uint8)
    with pytest.warns(EigencodeWarning, match=r"0 and 1/255[\s\S]*x\.float\(\)"):
        Images(binary, torch.arange(len(binary)) % 2)
    assert float(Images(binary.float(), torch.arange(len(binary)) % 2).x.max()) == 1
