"""Labelled images, and the bounds of their pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.arrays import Array, gathered, is_array, iterates, tensor
from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError
from eigencode.base.files import sha256
from eigencode.base.labels import class_names, labels_of, numbered, relabelled
from eigencode.base.pixels import check_floats, floats as floats, refuse_channels_last, reshaped, warn_of_black

Space = Literal["pixel", "unit"]
"""Space in which a perturbation or a derivative is measured.

`pixel`: images in [0, 1], the convention of the robustness literature (eps = 8/255 ...).
`unit`:  images scaled one by one to unit Lp norm (p = 3), the convention of arXiv 2405.00679, where a CIFAR-10
pixel is about 0.07; one unit of length there is about 8 in pixel units and differs from image to image.
"""

Norm = Literal["linf", "l2", "l1"]


@dataclass(frozen=True)
class Bounds(Admitted):
    """The box of allowed images: every coordinate in [lower, upper]; `Bounds.none()` allows any number."""

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        if not self.lower < self.upper:
            raise InputError(
                "the box is empty",
                got=f"[{self.lower}, {self.upper}]",
                wanted="lower < upper",
                fix="Bounds(0.0, 1.0)",
            )

    @classmethod
    def none(cls) -> "Bounds":
        """Bounds of a space in which any vector is allowed."""
        return cls(-math.inf, math.inf)

    def clip(self, x: Tensor) -> Tensor:
        """Clip `x` to the box (a copy)."""
        return x.clamp(self.lower, self.upper)

    def contains(self, x: Tensor, tolerance: float = 1e-6) -> bool:
        """True if every coordinate of `x` lies in the box up to `tolerance`."""
        return bool(((x >= self.lower - tolerance) & (x <= self.upper + tolerance)).all())


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Images:
    """Images `N C H W` in [0, 1] with integer labels: the input of every measurement and training.

    Args:
        pixels: uint8 (0..255) or floating point in [0, 1], shape `N C H W`, of any array library; a DataArray with
            named axes may have them in any order.  uint8 is scaled only when used, which saves three quarters of the
            memory.
        y: integer labels, shape `N`, each in `0..len(classes) - 1`.
        classes: class names; by default the numbers 0..max(y) as strings.
        name: of the data set, in results.
        groups: a label per image (integer or text), the same for images that belong together: augmentations of one
            image, frames of one film.  Every interval over images is then one over groups.  None: all are independent.

    Raises:
        InputError: wrong shape or type, channels last, NaN, values outside [0, 1], labels out of range, an image that
            is zero everywhere (it cannot be scaled to unit norm), or groups that do not fit.

    Warns:
        EigencodeWarning: labels 1..k without class names, as if class 0 had no image.

    >>> images = Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> len(images), images.shape, images.classes
    (5, (1, 8, 8), ('0', '1', '2'))
    """

    pixels: Tensor
    y: Tensor
    classes: Sequence[str] | None = None
    name: str = "images"
    groups: Tensor | None = None

    def __init__(
        self,
        pixels: Array,
        y: Array,
        classes: Sequence[str] | None = None,
        name: str = "images",
        groups: Array | None = None,
    ) -> None:
        pixels = tensor(pixels, f"{name}: pixels", "nchw", empty=True).detach()
        y = labels_of(y, name)
        if pixels.ndim != 4 or pixels.numel() == 0:
            raise InputError(
                f"{name}: images have the wrong shape",
                got=tuple(pixels.shape),
                wanted="N C H W, each >= 1",
                fix=reshaped(tuple(pixels.shape), len(y)),
            )
        refuse_channels_last(pixels, name)
        if y.ndim != 1 or len(y) != len(pixels) or y.dtype.is_floating_point or y.dtype == torch.bool:
            raise InputError(
                f"{name}: labels do not fit the images",
                got=f"{tuple(y.shape)} of {y.dtype}",
                wanted=f"({len(pixels)},) of an integer type",
                fix=relabelled(y, tuple(pixels.shape)),
            )
        if pixels.dtype != torch.uint8:
            check_floats(pixels, name)
            pixels = pixels.float()
            pixels = pixels.clamp(0, 1) if pixels.amin() < 0 or pixels.amax() > 1 else pixels
        warn_of_black(pixels, name)
        empty = (pixels.flatten(1).amax(1) == 0).nonzero().flatten()
        if len(empty):
            raise InputError(
                f"{name}: {len(empty)} images are zero everywhere",
                got=f"images number {empty[:5].tolist()}",
                wanted="at least one bright pixel in each",
                fix="drop them, since they cannot be scaled to unit norm: "
                "good = torch.as_tensor(x).flatten(1).amax(1) > 0; x[good], y[good]",
            )
        names = class_names(y, classes, name)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "y", y.detach().long())
        object.__setattr__(self, "classes", tuple(names))
        if groups is not None:
            groups = numbered(groups, len(pixels), f"{name}: groups")
        object.__setattr__(self, "groups", groups)

    @classmethod
    def of(cls, given: "Images | Array", name: str = "images", labelled: bool = True) -> "Images":
        """Labelled images from anything that holds both: `Images`, a pair (x, y), a DataLoader or a Dataset.

        Images alone do where `labelled` is False, and get the label 0.

        >>> x, y = torch.rand(4, 1, 2, 2).clamp_min(0.1), [0, 1, 1, 0]
        >>> len(Images.of((x, y))), len(Images.of(torch.utils.data.TensorDataset(x, torch.tensor(y))))
        (4, 4)
        """
        if isinstance(given, Images):
            return given
        if isinstance(given, tuple | list) and len(given) == 2 and is_array(given[0]):
            return cls(given[0], given[1], name=name)
        x, y = gathered(given, name) if iterates(given) else (given, None)
        y = (
            torch.zeros(len(x), dtype=torch.long)
            if y is None and not labelled and is_array(x) and getattr(x, "ndim", 1) != 0
            else y
        )
        if y is None:
            raise InputError(
                f"{name}: images without labels",
                got=type(given).__name__,
                wanted="ec.Images, a pair (x, y), or a DataLoader or Dataset of images with labels",
                fix="ec.Images(x, y) with one integer label per image",
            )
        return cls(x, y, getattr(getattr(given, "dataset", given), "classes", None), name)

    def __repr__(self) -> str:
        size, kind = " x ".join(map(str, self.shape)), str(self.pixels.dtype).removeprefix("torch.")
        return f"Images({len(self)} x {size}, {kind}, {len(self.class_names)} classes, name={self.name!r})"

    @property
    def x(self) -> Float[Tensor, "n c h w"]:
        """The images as float32 in [0, 1]; converted from uint8 on every access, so keep the result."""
        return floats(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.pixels.shape[1], self.pixels.shape[2], self.pixels.shape[3])

    @property
    def inputs(self) -> int:
        """Number of inputs per image: channels x height x width."""
        return math.prod(self.shape)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names as a tuple."""
        return tuple(self.classes or ())

    @property
    def bounds(self) -> Bounds:
        """Bounds of pixel space, always [0, 1]."""
        return Bounds(0.0, 1.0)

    @cached_property
    def sha256(self) -> str:
        """Hash of pixels, labels, class names and groups; part of the key of every result."""
        groups = () if self.groups is None else (self.groups,)
        kind = repr((tuple(self.pixels.shape), str(self.pixels.dtype), self.classes))
        return sha256(kind, self.pixels, self.y, *groups)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: "slice | Tensor | list[int]") -> "Images":
        """A subset of the images, by slice, index tensor or boolean mask."""
        try:
            pixels, y = self.pixels[index], self.y[index]
            groups = None if self.groups is None else self.groups[index]
            len(y)
        except (TypeError, ValueError, IndexError, RuntimeError) as error:  # of torch, for what is no index
            wanted = f"a slice, a mask of {len(self)}, or numbers below {len(self)}"
            raise InputError(f"{self.name}: not an index of images", got=f"{index!r:.60}", wanted=wanted) from error
        found = Images(pixels, y, self.classes, self.name)
        object.__setattr__(found, "groups", groups)  # with their numbers, so that subsets can be compared
        return found

    def split(self, fraction: float, seed: int = 0) -> "tuple[Images, Images]":
        """Split at random into (rest, part) with `fraction` of the images in `part`, e.g. a validation set.

        Groups stay whole; `part` then holds the nearest possible number of images.
        """
        admit(Images.split, locals())
        if not 0 < fraction < 1 or not 0 < round(fraction * len(self)) < len(self):
            raise InputError("cannot split", got=f"fraction {fraction} of {len(self)}", wanted="0 < fraction < 1")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(int(seed)))
        part = round(fraction * len(self))
        if self.groups is not None:
            order, ends = _by_group(order, self.groups)
            part = min(ends, key=lambda end: abs(end - part), default=0)
            if part == 0:
                raise InputError("cannot split one group of images", got=self.name, wanted="two groups or more")
        return self[order[part:]], self[order[:part]]


def _by_group(order: Tensor, groups: Tensor) -> tuple[Tensor, list[int]]:
    """An order of the images with the members of each group together, and where all groups but the last end."""
    first: dict[int, int] = {}
    for place, group in enumerate(groups[order].tolist()):
        first.setdefault(group, place)
    places = torch.tensor([first[group] for group in groups[order].tolist()])
    sizes = torch.unique(places, return_counts=True)[1]
    return order[places.argsort(stable=True)], sizes.cumsum(0)[:-1].tolist()
