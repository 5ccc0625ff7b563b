"""Read images from a folder with one sub-folder per class: `load("folder:PATH")`."""

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from eigencode.base.errors import DataError
from eigencode.base.types import Images
from eigencode.data._dataset import Pair
from eigencode.data._split import stratified_split

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
TEST_SHARE = 0.2

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}

_Kind = tuple[str, tuple[int, int]]  # mode ("L" or "RGB") and (width, height)


def read_folder(path: Path, seed: int = 0) -> Pair:
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

    Returns:
        (train, test), uint8, with the names of the class folders.

    Raises:
        DataError: no such folder, fewer than two classes, a class without images, other classes in `test` than in
            `train`, an unreadable or all-black image, images of different size or mode, transparency, more than
            8 bits, or several frames.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder of images", wanted="a folder with one sub-folder per class")
    name = path.resolve().name
    if (path / "train").is_dir() and (path / "test").is_dir():
        classes = _classes(path / "train")
        others = _classes(path / "test")
        if others != classes:
            raise DataError(
                f"{path}: train and test have different classes",
                got=f"only in train: {sorted({*classes} - {*others})}, only in test: {sorted({*others} - {*classes})}",
                fix="give both the same sub-folders",
            )
        kind, train = _read(path / "train", classes, *_files(path / "train", classes), f"{name}/train", None)
        _, test = _read(path / "test", classes, *_files(path / "test", classes), f"{name}/test", kind)
        return train, test
    classes = _classes(path)
    if {*classes} <= _SPLITS:
        raise DataError(
            f"{path}: these are sets of images, not classes",
            got=f"sub-folders {classes}",
            wanted="train and test, or one sub-folder per class",
            fix="name the set to test on 'test' and the set to train on 'train'",
        )
    files, labels = _files(path, classes)
    for number, class_name in enumerate(classes):
        if labels.count(number) < 2:
            raise DataError(
                f"{path / class_name}: one image cannot be in the training and in the test set",
                got="1 image",
                wanted="at least 2 per class",
                fix="add images, or sort them into train/ and test/ yourself",
            )
    keys = [file.relative_to(path).as_posix() for file in files]
    first, second = stratified_split(labels, keys, TEST_SHARE, seed)
    kind, train = _read(path, classes, *_pick(files, labels, first), f"{name}/train", None)
    _, test = _read(path, classes, *_pick(files, labels, second), f"{name}/test", kind)
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
            yield entry


def _identity(folder: Path) -> tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino


def _read(
    root: Path, classes: Sequence[str], files: list[Path], labels: list[int], name: str, kind: _Kind | None
) -> tuple[_Kind, Images]:
    """Read all images of a split; all must have the given mode and size, by default those of the first file."""
    arrays = []
    for file in files:
        own, pixels = _pixels(file)
        kind = kind or own
        if own != kind:
            raise DataError(
                f"{file}: differs from the images before it",
                got=_described(own),
                wanted=_described(kind),
                fix="bring all images to one size and mode (grey or RGB)",
            )
        if not pixels.any():
            raise DataError(
                f"{file}: the image is zero everywhere",
                wanted="at least one bright pixel",
                fix="remove it: a black image has no direction and cannot be scaled to unit norm",
            )
        arrays.append(pixels)
    assert kind is not None
    width, height = kind[1]
    stack = torch.from_numpy(np.stack(arrays)).view(len(arrays), height, width, -1)
    return kind, Images(stack.permute(0, 3, 1, 2).contiguous(), torch.tensor(labels), classes, name)


def _pixels(file: Path) -> tuple[_Kind, np.ndarray]:
    """Mode and size of an image file, and its pixels."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                mode, frames = image.mode, getattr(image, "n_frames", 1)
                if mode == "P" and "transparency" not in image.info:
                    mode = "RGB"
                elif mode == "1":
                    mode = "L"
                pixels = np.array(image.convert(mode), np.uint8) if mode in ("L", "RGB") and frames == 1 else None
                size = image.size
    except Exception as error:  # Pillow's decoders raise a dozen unrelated types on damaged files
        raise DataError(
            f"{file}: the image cannot be read",
            got=f"{type(error).__name__}: {error}",
            wanted="a complete image file",
            fix="replace or remove it",
        ) from error
    if pixels is None:
        raise DataError(
            f"{file}: an image of a kind that is not supported",
            got=f"mode {mode}" if frames == 1 else f"{frames} frames",
            wanted="one frame, grey (8 bit) or RGB, without transparency",
            fix="convert it, e.g. with Pillow: Image.open(file).convert('RGB').save(file)",
        )
    return (mode, size), pixels


def _described(kind: _Kind) -> str:
    return f"{'grey' if kind[0] == 'L' else kind[0]}, {kind[1][0]} x {kind[1][1]} pixels (width x height)"
