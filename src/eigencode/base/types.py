"""Labelled images, and the bounds of their pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.files import sha256

Space = Literal["pixel", "unit"]
"""Space in which a perturbation or a derivative is measured.

`pixel`: images in [0, 1], the convention of the robustness literature (eps = 8/255 ...).
`unit`:  images scaled one by one to unit Lp norm (p = 3), the convention of arXiv 2405.00679, where a CIFAR-10
pixel is about 0.07; one unit of length there is about 8 in pixel units and differs from image to image.
"""

Norm = Literal["linf", "l2", "l1"]


@dataclass(frozen=True)
class Bounds:
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


@dataclass(frozen=True, eq=False)
class Images:
    """Images `N C H W` in [0, 1] with integer labels: the input of every measurement and training.

    Args:
        pixels: uint8 (0..255) or floating point in [0, 1], shape `N C H W`.  uint8 is scaled only when used,
            which saves three quarters of the memory.
        y: integer labels, shape `N`, each in `0..len(classes) - 1`.
        classes: class names; by default the numbers 0..max(y) as strings.
        name: of the data set, in results.

    Raises:
        InputError: wrong shape or type, NaN, values outside [0, 1], labels out of range, or an image that is zero
            everywhere (it cannot be scaled to unit norm).

    >>> images = Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> len(images), images.shape, images.classes
    (5, (1, 8, 8), ('0', '1', '2'))
    """

    pixels: UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"]
    y: Int[Tensor, " n"]
    classes: Sequence[str] | None = None
    name: str = "images"

    def __post_init__(self) -> None:
        pixels, y = self.pixels, self.y
        if not isinstance(pixels, Tensor) or not isinstance(y, Tensor):
            raise InputError(
                f"{self.name}: wrong type of images or labels",
                got=f"{type(pixels).__name__}, {type(y).__name__}",
                wanted="two torch tensors",
                fix="torch.as_tensor(array)",
            )
        if pixels.ndim != 4 or pixels.numel() == 0:
            raise InputError(
                f"{self.name}: images have the wrong shape",
                got=tuple(pixels.shape),
                wanted="N C H W, each >= 1",
                fix="reshape, e.g. x[:, None] for grey images or x.permute(0, 3, 1, 2) for channels last",
            )
        if y.ndim != 1 or len(y) != len(pixels) or y.dtype.is_floating_point:
            raise InputError(
                f"{self.name}: labels do not fit the images",
                got=f"{tuple(y.shape)} of {y.dtype}",
                wanted=f"({len(pixels)},) of an integer type",
                fix="pass one integer label per image",
            )
        if pixels.dtype != torch.uint8:
            _check_floats(pixels, self.name)
            object.__setattr__(self, "pixels", pixels.detach().float())
        empty = (pixels.flatten(1).amax(1) == 0).nonzero().flatten()
        if len(empty):
            raise InputError(
                f"{self.name}: {len(empty)} images are zero everywhere",
                got=f"images number {empty[:5].tolist()}",
                wanted="at least one bright pixel in each",
                fix="drop them: an all-black image has no direction and cannot be scaled to unit norm",
            )
        names = self.classes if self.classes is not None else [str(i) for i in range(int(y.max()) + 1)]
        if int(y.min()) < 0 or int(y.max()) >= len(names):
            raise InputError(
                f"{self.name}: labels are out of range",
                got=f"{int(y.min())}..{int(y.max())}",
                wanted=f"0..{len(names) - 1} ({len(names)} classes)",
                fix="number the classes from 0 and name every one of them",
            )
        object.__setattr__(self, "y", y.detach().long())
        object.__setattr__(self, "classes", tuple(str(n) for n in names))

    @property
    def x(self) -> Float[Tensor, "n c h w"]:
        """The images as float32 in [0, 1]; converted from uint8 on every access, so keep the result."""
        return self.pixels.float().div_(255) if self.pixels.dtype == torch.uint8 else self.pixels

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
        """Hash of pixels, labels and class names; part of the key of every result."""
        return sha256(repr((tuple(self.pixels.shape), str(self.pixels.dtype), self.classes)), self.pixels, self.y)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: "slice | Tensor | list[int]") -> "Images":
        """A subset of the images, by slice, index tensor or boolean mask."""
        return Images(self.pixels[index], self.y[index], self.classes, self.name)

    def split(self, fraction: float, seed: int = 0) -> "tuple[Images, Images]":
        """Split at random into (rest, part) with `fraction` of the images in `part`, e.g. a validation set."""
        if not 0 < fraction < 1 or not 0 < round(fraction * len(self)) < len(self):
            raise InputError("cannot split", got=f"fraction {fraction} of {len(self)}", wanted="0 < fraction < 1")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        part = round(fraction * len(self))
        return self[order[part:]], self[order[:part]]


def _check_floats(x: Tensor, name: str) -> None:
    """Raise `InputError` unless the pixels are finite floats in [0, 1]."""
    if not x.is_floating_point():
        raise InputError(f"{name}: wrong type of pixel", got=x.dtype, wanted="uint8, or floats in [0, 1]")
    bad = (~torch.isfinite(x.flatten(1)).all(1)).nonzero().flatten()
    if len(bad):
        raise InputError(
            f"{name}: {len(bad)} images hold NaN or Inf",
            got=f"images number {bad[:5].tolist()}",
            wanted="finite pixels in [0, 1]",
            fix="repair or drop these images",
        )
    if x.min() < 0 or x.max() > 1:
        raise InputError(
            f"{name}: pixels are out of range",
            got=f"{float(x.min()):.4g} .. {float(x.max()):.4g}",
            wanted="0 .. 1",
            fix="divide by 255, or undo a normalisation: networks bring their own as a layer",
        )
