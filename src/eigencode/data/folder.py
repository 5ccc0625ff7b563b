"""Read images from a folder with one sub-folder per class: `load("folder:PATH")`."""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eigencode.base.border import admit
from eigencode.base.errors import DataError, InputError
from eigencode.base.reading import affordable, reading
from eigencode.base.types import Images
from eigencode.data._class_list import Names, class_list, numbers
from eigencode.data._dataset import Pair
from eigencode.data._split import stratified_split

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What these files may be; Pillow goes by the content, and for other formats it starts other programs."""

TEST_SHARE = 0.2

AS_RGB = "Image.open(file).convert('RGB').save(file)"
AS_EIGHT_BIT = "x = np.asarray(Image.open(file)); Image.fromarray((255.0 * x / x.max()).astype('uint8')).save(file)"

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}

_Kind = tuple[str, tuple[int, int]]  # mode ("L" or "RGB") and (width, height)


def read_folder(
    path: Path,
    seed: int = 0,
    *,
    split: bool = True,
    classes: Any = None,
    resize: int | None = None,
    crop: int | None = None,
) -> Pair:
    """Read training and test images from a folder with one sub-folder per class.

    If the folder has sub-folders `train` and `test`, each of them holds the classes of one set, and anything
    else is ignored.  Otherwise one fifth of every class (at least one image) becomes the test set, chosen by file
    names and `seed`, so the choice is the same on every machine.

    Images are the files ending in .png .jpg .jpeg .bmp .gif .tif .tiff .webp .ppm .pgm .pbm .pnm, at any depth
    below the class; hidden files and folders are ignored, symbolic links are followed once.  Grey (8 bit) and RGB
    images are kept as they are; palettes without transparency become RGB and 1-bit images grey, without loss.  Classes
    and files are sorted by name; a rotation noted in the metadata is not applied.

    Args:
        seed: another seed chooses another test set.
        split: False: without `train` and `test`, every image is in both sets.
        classes: of a network, in the order of its outputs: labels are these, found by the names of the folders, which
            may be some of the classes; see `class_list`.  By default the folders are the classes.
        resize: scale the shorter side to so many pixels (bilinear, antialiased) and crop a square around the centre.
        crop: crop a square of so many pixels around the centre, after `resize`.

    Returns:
        (train, test), uint8, with the names of the classes.

    Raises:
        DataError: no such folder, fewer than two classes, a class without images, other classes in `test` than in
            `train`, a folder that is none of `classes`, an unreadable or all-black image, images of different size or
            mode, transparency, more than 8 bits, or several frames.
    """
    admit(read_folder, locals())
    if not path.is_dir():
        raise DataError(f"{path}: no such folder of images", wanted="a folder with one sub-folder per class")
    wrong = [n for n in (resize, crop) if n is not None and (not isinstance(n, Integral) or n < 1)]
    if wrong or (resize is not None and crop is not None and crop > resize):
        raise InputError("no such size", got=f"resize {resize}, crop {crop}", wanted="1 <= crop <= resize")
    name, names = path.resolve().name, None if classes is None else class_list(classes)
    reader = _Reader(names, resize, crop)
    if (path / "train").is_dir() and (path / "test").is_dir():
        folders, others = _classes(path / "train"), _classes(path / "test")
        if others != folders:
            raise DataError(
                f"{path}: train and test have different classes",
                got=f"only in train: {sorted({*folders} - {*others})}, only in test: {sorted({*others} - {*folders})}",
                fix="give both the same sub-folders",
            )
        kind, train = reader.read(path / "train", folders, *_files(path / "train", folders), f"{name}/train", None)
        _, test = reader.read(path / "test", folders, *_files(path / "test", folders), f"{name}/test", kind)
        return train, test
    folders = _classes(path)
    if {*folders} <= _SPLITS:
        raise DataError(
            f"{path}: these are sets of images, not classes",
            got=f"sub-folders {folders}",
            wanted="train and test, or one sub-folder per class",
            fix="name the set to test on 'test' and the set to train on 'train'",
        )
    files, labels = _files(path, folders)
    if not split:
        _, whole = reader.read(path, folders, files, labels, name, None)
        return whole, whole
    for number, class_name in enumerate(folders):
        if labels.count(number) < 2:
            raise DataError(
                f"{path / class_name}: one image cannot be in the training and in the test set",
                got="1 image",
                wanted="at least 2 per class",
                fix="add images, or sort them into train/ and test/ yourself",
            )
    keys = [file.relative_to(path).as_posix() for file in files]
    first, second = stratified_split(labels, keys, TEST_SHARE, seed)
    kind, train = reader.read(path, folders, *_pick(files, labels, first), f"{name}/train", None)
    _, test = reader.read(path, folders, *_pick(files, labels, second), f"{name}/test", kind)
    return train, test


def _pick(files: list[Path], labels: list[int], index: list[int]) -> tuple[list[Path], list[int]]:
    return [files[i] for i in index], [labels[i] for i in index]


def _classes(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(names) < 2:
        raise DataError(
            f"{folder}: {'one class only' if names else 'no classes'}",
            got=f"sub-folders {names}",
            wanted="at least two sub-folders, one per class, with images in each",
        )
    return names


def _files(folder: Path, classes: Sequence[str]) -> tuple[list[Path], list[int]]:
    files: list[Path] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        found = sorted(_walk(folder / name, {_identity(folder.parent), _identity(folder)}))
        if not found:
            raise DataError(
                f"{folder / name}: no images in this class",
                wanted=f"files ending in {' '.join(SUFFIXES)}",
                fix="add images or remove the folder",
            )
        files += found
        labels += [number] * len(found)
    return files, labels


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Image files below a folder, in order; cycles of symbolic links are skipped."""
    identity = _identity(folder)
    if identity in seen:
        return
    seen.add(identity)
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, seen)
        elif entry.suffix.lower() in SUFFIXES:
            if entry.exists() and not entry.is_file():  # a pipe would be waited for
                raise DataError(f"{entry}: not a file", got="a pipe, a socket or a device", fix="remove it")
            yield entry


def _identity(folder: Path) -> tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino


@dataclass(frozen=True)
class _Reader:
    """How the files of a folder become labelled images: the classes of the network, and the size."""

    names: Names | None
    resize: int | None
    crop: int | None

    def read(
        self, root: Path, folders: Sequence[str], files: list[Path], labels: list[int], name: str, kind: _Kind | None
    ) -> tuple[_Kind, Images]:
        """Read all images of a split; all must have the given mode and size, by default those of the first file."""
        stack = None
        for place, file in enumerate(files):
            own, pixels = _pixels(file, self.resize, self.crop)
            kind = kind or own
            if own != kind:
                side = min(*own[1], *kind[1])
                one_size = f"resize={side} (--resize {side}) crops squares of {side} pixels" * (own[1] != kind[1])
                one_mode = f"make every image grey or RGB: {AS_RGB}" * (own[0] != kind[0])
                raise DataError(
                    f"{file}: differs from the images before it",
                    got=_described(own),
                    wanted=_described(kind),
                    fix="; and ".join([said for said in (one_size, one_mode) if said]),
                )
            if not pixels.any():
                raise DataError(
                    f"{file}: the image is zero everywhere",
                    wanted="at least one bright pixel",
                    fix="remove it: a black image has no direction and cannot be scaled to unit norm",
                )
            pixels = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)
            if stack is None:
                _afford_all(root, files, pixels.size)
                stack = torch.empty((len(files), *pixels.shape), dtype=torch.uint8)
            stack[place] = torch.from_numpy(np.ascontiguousarray(pixels))
        assert kind is not None
        assert stack is not None
        if self.names is None:
            return kind, Images(stack, torch.tensor(labels), folders, name)
        numbered, classes = numbers(root, folders, self.names), [several[0] for several in self.names]
        for number, own_name in zip(numbered, folders):
            classes[number] = own_name
        return kind, Images(stack, torch.tensor([numbered[label] for label in labels]), classes, name)


def _afford_all(root: Path, files: Sequence[Path], size: int) -> None:
    """Refuse images of `size` bytes each that are together far larger than their files."""
    stored = sum(file.stat().st_size for file in files if file.is_file())  # a broken link is named when it is read
    fix = "resize=64 (--resize 64), or fewer images"
    affordable(f"{root}: {len(files)} images", len(files) * size, stored, fix)


def _conversion(mode: str) -> str:
    """How an image of this mode becomes one that is supported."""
    if mode.endswith("of 16 bits"):
        return "read it with tifffile or imageio and give arrays, ec.Images(x / 65535, y): Pillow keeps 8 of its bits"
    code = AS_EIGHT_BIT.replace("x.max()", "65535") if mode == "I;16" else AS_EIGHT_BIT
    return f"convert it, with Pillow: {code if mode.startswith('I') or mode == 'F' else AS_RGB}"


def _deep(image: Any) -> bool:
    """True for a colour image of more than 8 bits per channel, of which Pillow would keep only the upper 8."""
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(a, str) and ";16" in a and not a.startswith("BGR;16") for a in arguments):
            return bool(image.mode != "I;16")
        if tile[0].startswith("ppm") and any(isinstance(a, int) and a > 255 for a in arguments):
            return bool(image.mode in ("L", "RGB"))
    return False


def _pixels(file: Path, resize: int | None, crop: int | None) -> tuple[_Kind, np.ndarray]:
    """Mode and size of an image file, and its pixels."""
    from PIL import Image

    what, fix = f"{file}: the image cannot be read", "replace or remove it"
    with reading(what, wanted="a complete image file", fix=fix), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=FORMATS) as image:
            _afford(file, *image.size)
            mode, frames = image.mode, getattr(image, "n_frames", 1)
            if _deep(image):
                mode = f"{mode} of 16 bits"
            elif "transparency" in image.info:
                mode = f"{mode} with a transparent colour"
            elif mode == "P":
                mode = "RGB"
            elif mode == "1":
                mode = "L"
            good = mode in ("L", "RGB") and frames == 1
            same = image if mode == image.mode or not good else image.convert(mode)
            fitted = _fitted(file, same, resize, crop) if good else image
            pixels, size = np.array(fitted, np.uint8) if good else None, fitted.size
    if pixels is None:
        raise DataError(
            f"{file}: an image of a kind that is not supported",
            got=f"mode {mode}" if frames == 1 else f"{frames} frames",
            wanted="one frame, grey (8 bit) or RGB, without transparency",
            fix=_conversion(mode),
        )
    return (mode, size), pixels


def _afford(file: Path, width: int, height: int) -> None:
    """Refuse an image of this size, 4 bytes a pixel, if it is far larger than its file."""
    affordable(str(file), 4 * width * height, file.stat().st_size, "replace or remove it")


def _fitted(file: Path, image: Any, resize: int | None, crop: int | None) -> Any:
    """Scale the shorter side to `resize`, then cut a square of `crop` (or `resize`) pixels out of the centre."""
    from PIL import Image

    if resize is not None:
        short = min(image.size)
        size = [resize if side == short else int(resize * side / short) for side in image.size]
        _afford(file, *size)
        image = image if tuple(size) == image.size else image.resize(size, Image.Resampling.BILINEAR)
    side = crop or resize
    if side is None or image.size == (side, side):
        return image
    if side > min(image.size):
        raise DataError(
            f"{file}: the image is smaller than the crop",
            got=f"{image.size[0]} x {image.size[1]} pixels",
            wanted=f"at least {side} x {side}",
            fix=f"resize={side} (--resize {side}), which comes before the crop; or a smaller crop",
        )
    left, top = (round((length - side) / 2) for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _described(kind: _Kind) -> str:
    return f"{'grey' if kind[0] == 'L' else kind[0]}, {kind[1][0]} x {kind[1][1]} pixels (width x height)"
