"""Any tree of images with a folder per class."""

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eigencode.base.errors import DataError, InputError
from eigencode.data import load, read_folder


def picture(path: Path, value: int = 100, size: tuple[int, int] = (6, 4), mode: str = "RGB", **options: object) -> Path:
    """A picture whose first pixel is `value` in its first channel, distinct for every value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.full((size[1], size[0], bands), 50, np.uint8)
    pixels[0, 0, 0] = value
    Image.fromarray(pixels.squeeze(), mode=None).convert(mode).save(path, **options)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "birds"
    for c, name in enumerate(["wren", "auk", "owl"]):
        for i in range(5):
            picture(root / name / f"{i}.png", 10 * c + i + 1)
    return root


def test_one_fifth_of_each_class_is_for_testing(tree: Path) -> None:
    train, test = load(f"folder:{tree}")
    assert (train.name, test.name) == ("birds/train", "birds/test")
    assert train.class_names == ("auk", "owl", "wren")
    assert train.y.bincount().tolist() == [4, 4, 4]
    assert test.y.bincount().tolist() == [1, 1, 1]
    assert train.shape == (3, 4, 6)
    assert train.pixels.dtype == torch.uint8
    values = {0: range(11, 16), 1: range(21, 26), 2: range(1, 6)}  # by label: auk, owl, wren
    seen = []
    for images in (train, test):
        for pixels, label in zip(images.pixels, images.y.tolist()):
            assert int(pixels[0, 0, 0]) in values[label]
            assert int(pixels[1, 0, 0]) == int(pixels[0, 3, 5]) == 50
            seen.append(int(pixels[0, 0, 0]))
    assert sorted(seen) == sorted(v for part in values.values() for v in part)


def test_the_split_depends_on_names_and_seed_alone(tree: Path, tmp_path: Path) -> None:
    first = read_folder(tree)[1]
    moved = tmp_path / "elsewhere"
    os.rename(tree, moved)
    assert first.sha256 == read_folder(moved)[1].sha256
    assert len({read_folder(moved, seed)[1].sha256 for seed in range(5)}) > 1


def test_train_and_test_folders_are_respected(tmp_path: Path) -> None:
    for c, name in enumerate(["a", "b"]):
        for i in range(3):
            picture(tmp_path / "train" / name / f"{i}.png", 1 + 10 * c + i)
        picture(tmp_path / "test" / name / "x.png", 200 + c)
        picture(tmp_path / "extra" / name / "y.png", 99)
    train, test = read_folder(tmp_path)
    assert train.pixels[:, 0, 0, 0].tolist() == [1, 2, 3, 11, 12, 13]
    assert test.pixels[:, 0, 0, 0].tolist() == [200, 201]


def test_train_and_test_must_have_the_same_classes(tmp_path: Path) -> None:
    for path in ("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"):
        picture(tmp_path / path)
    with pytest.raises(DataError, match=r"only in train: \['b'\], only in test: \['c'\]"):
        read_folder(tmp_path)


def test_sets_are_not_taken_for_classes(tmp_path: Path) -> None:
    for path in ("train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png"):
        picture(tmp_path / path)
    with pytest.raises(DataError, match="these are sets of images, not classes"):
        read_folder(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF", ".webp", ".ppm", ".jpg", ".JPEG"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    for c in "ab":
        for i in range(2):
            picture(tmp_path / c / f"{i}{suffix}", 60, **options)
    train, _ = read_folder(tmp_path)
    assert train.shape == (3, 4, 6)
    torch.testing.assert_close(train.pixels[0, 0, 0, 0].float(), torch.tensor(60.0), rtol=0, atol=12)  # JPEG is lossy


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("1", 1), ("P", 3), ("RGB", 3)])
def test_lossless_modes(tmp_path: Path, mode: str, channels: int) -> None:
    for c in "ab":
        for i in range(2):
            path = picture(tmp_path / c / f"{i}.png", 255, mode="L" if mode == "1" else "RGB" if mode == "P" else mode)
            if mode in "1P":
                with Image.open(path) as image:
                    converted = image.convert(mode)
                converted.save(path)
    assert read_folder(tmp_path)[0].shape == (channels, 4, 6)
    assert int(read_folder(tmp_path)[0].pixels[0, 0, 0, 0]) == 255


def deep_png(pixels: np.ndarray) -> bytes:
    """An image in colour of 16 bits, which Pillow reads and cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("kind", ["png", "ppm", "transparent colour"])
def test_colours_of_more_than_eight_bits_or_transparent_are_refused(tree: Path, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (16, 16, 3), dtype=np.uint16)
    file = tree / "owl" / f"9.{kind[:3].replace('tra', 'png')}"
    if kind == "png":
        file.write_bytes(deep_png(pixels))
    elif kind == "ppm":
        file.write_bytes(b"P6 16 16 4095\n" + pixels.astype(">u2").tobytes())
    else:
        Image.fromarray(pixels.astype(np.uint8)).save(file, transparency=(0, 0, 0))
    mode = "RGB with a transparent colour" if kind == "transparent colour" else "RGB of 16 bits"
    with pytest.raises(DataError, match=rf"an image of a kind[\s\S]*mode {mode}"):
        read_folder(tree)


def test_sixteen_pixels_are_no_sixteen_bits(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 9, np.uint8)).save(tmp_path / name)
    assert read_folder(tmp_path)[0].shape == (3, 16, 16)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK"])
def test_other_modes_are_refused(tree: Path, mode: str) -> None:
    picture(tree / "auk" / "9.tif", mode=mode)
    with pytest.raises(DataError, match=rf"(?s)9\.tif: an image of a kind.*mode {mode}"):
        read_folder(tree)


def test_sixteen_bits_transparent_palettes_and_animations_are_refused(tree: Path) -> None:
    file = tree / "owl" / "9.png"
    Image.fromarray(np.full((4, 6), 40_000, np.uint16)).save(file)
    with pytest.raises(DataError, match=r"9\.png: an image of a kind"):
        read_folder(tree)
    palette = Image.fromarray(np.full((4, 6, 3), 9, np.uint8)).convert("P")
    palette.save(file, transparency=0)
    with pytest.raises(DataError, match=r"(?s)9\.png: an image of a kind.*mode P"):
        read_folder(tree)
    file.unlink()
    frames = [Image.fromarray(np.full((4, 6), v, np.uint8)) for v in (1, 200)]
    frames[0].save(tree / "owl" / "9.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"(?s)9\.gif: an image of a kind.*2 frames"):
        read_folder(tree)


@pytest.mark.parametrize(("size", "mode", "words"), [((5, 4), "RGB", "RGB, 5 x 4"), ((6, 4), "L", "grey, 6 x 4")])
def test_the_first_odd_file_is_named(tmp_path: Path, size: tuple[int, int], mode: str, words: str) -> None:
    for path in ("train/a/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"):
        picture(tmp_path / path)
    for odd in ("train/b/2.png", "test/b/2.png"):
        file = picture(tmp_path / odd, size=size, mode=mode)
        with pytest.raises(DataError, match=rf"(?s){odd}: differs.*got:    {words}.*wanted: RGB, 6 x 4"):
            read_folder(tmp_path)
        file.unlink()
    read_folder(tmp_path)


def test_training_and_test_images_have_one_size(tmp_path: Path) -> None:
    for c in "ab":
        picture(tmp_path / "train" / c / "1.png")
        picture(tmp_path / "test" / c / "1.png", size=(8, 8))
    with pytest.raises(DataError, match=r"test/a/1\.png: differs"):
        read_folder(tmp_path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("not an image at all")


def half(path: Path) -> None:
    whole = picture(path, size=(64, 64)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def broken_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere.png")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("damage", [empty, text, half, broken_link, link_to_itself])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_an_unreadable_image_is_named(tree: Path, damage: Callable[[Path], None], suffix: str) -> None:
    damage(tree / "wren" / f"bad{suffix}")
    with pytest.raises(DataError, match=rf"wren/bad\{suffix}: the image cannot be read"):
        read_folder(tree)


def test_a_black_image_is_named(tree: Path) -> None:
    Image.new("RGB", (6, 4)).save(tree / "owl" / "night.png")
    with pytest.raises(DataError, match=r"owl/night\.png: the image is zero everywhere"):
        read_folder(tree)


def test_hidden_and_other_files_are_ignored(tree: Path) -> None:
    text(tree / "wren" / ".hidden.png")
    text(tree / "wren" / "notes.txt")
    text(tree / "list.csv")
    picture(tree / ".cache" / "a.png")
    picture(tree / "auk" / ".thumbs" / "a.png")
    train, test = read_folder(tree)
    assert (len(train), len(test), train.class_names) == (12, 3, ("auk", "owl", "wren"))


def test_links_are_followed_and_loops_are_not(tree: Path, tmp_path: Path) -> None:
    picture(tmp_path / "more" / "11.png", 77)
    (tree / "owl" / "more").symlink_to(tmp_path / "more", target_is_directory=True)
    (tree / "owl" / "loop").symlink_to(tree / "owl", target_is_directory=True)
    (tree / "owl" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "owl" / "far-up").symlink_to(tmp_path, target_is_directory=True)
    (tree / "owl" / "self").symlink_to(tree / "owl" / "self", target_is_directory=True)
    train, test = read_folder(tree)
    assert len(train) + len(test) == 16
    pixels = torch.cat([train.pixels, test.pixels])[:, 0, 0, 0].tolist()
    assert pixels.count(77) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ([], "no classes"),
        (["a/1.png", "a/2.png"], "one class only"),
        (["a/1.png", "a/2.png", "b/notes.txt"], "b: no images in this class"),
        (["a/1.png", "a/2.png", "b/1.png"], "b: one image cannot be in the training and in the test set"),
    ],
)
def test_too_little(tmp_path: Path, make: list[str], message: str) -> None:
    for name in make:
        picture(tmp_path / name) if name.endswith("png") else (tmp_path / name).parent.mkdir() or text(tmp_path / name)
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder of images"):
        load(f"folder:{tmp_path}/nothing")
    with pytest.raises(InputError, match="which folder"):
        load("folder:")


def test_a_relative_path_starts_at_the_data_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(load("folder:birds", tree.parent)[0]) == 12
    assert len(load(f"folder:{tree}", "/somewhere/else")[0]) == 12
    monkeypatch.chdir(tree)
    train, _ = load("folder:.")
    assert train.name == "birds/train"
    monkeypatch.setenv("HOME", str(tree.parent))
    assert len(load("folder:~/birds")[0]) == 12


def test_a_picture_too_large_to_be_one(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"(?s)cannot be read.*DecompressionBomb"):
        read_folder(tree)


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tree: Path) -> None:
    fifo(tree / "wren" / "pipe.png")
    with pytest.raises(DataError, match=r"wren/pipe\.png: not a file"):
        read_folder(tree)
    os.remove(tree / "wren" / "pipe.png")
    fifo(tree / "real")
    (tree / "wren" / "link.png").symlink_to(tree / "real")
    with pytest.raises(DataError, match=r"wren/link\.png: not a file"):
        read_folder(tree)


def test_every_image_where_nothing_is_trained(tree: Path, tmp_path: Path) -> None:
    train, test = load(f"folder:{tree}", split=False)
    assert train is test
    assert (len(test), test.name, test.y.bincount().tolist()) == (15, "birds", [5, 5, 5])
    for part in ("train", "test"):
        for c in "ab":
            picture(tmp_path / "sets" / part / c / "1.png")
    assert [len(images) for images in read_folder(tmp_path / "sets", split=False)] == [2, 2]


LISTS: dict[str, object] = {
    "names": ["emu", "wren", "kiwi", "auk", "owl"],
    "commas": "emu, wren, kiwi, auk, owl",
    "several names": [["n0", "emu"], ["n1", "wren"], ["n2", "kiwi"], ["n3", "auk"], ["n4", "owl"]],
    "class_to_idx": {"auk": 3, "emu": 0, "kiwi": 2, "owl": 4, "wren": 1},
    "imagenet_class_index": {str(i): [f"n{i}", name] for i, name in enumerate(["emu", "wren", "kiwi", "auk", "owl"])},
}


@pytest.mark.parametrize("how", list(LISTS))
def test_folders_are_the_classes_of_the_network_by_name(tree: Path, how: str) -> None:
    test = read_folder(tree, classes=LISTS[how])[1]
    assert sorted(test.y.tolist()) == [1, 3, 4]
    assert len(test.class_names) == 5
    assert [test.class_names[i] for i in (1, 3, 4)] == ["wren", "auk", "owl"]
    for pixels, label in zip(test.pixels, test.y.tolist()):
        assert int(pixels[0, 0, 0]) in {3: range(11, 16), 4: range(21, 26), 1: range(1, 6)}[label]


def test_the_classes_may_stand_in_a_file(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("emu\nwren\nkiwi\n\nauk\nowl\n")
    (tmp_path / "index.json").write_text(json.dumps(LISTS["imagenet_class_index"]))
    expected = read_folder(tree, classes=LISTS["names"])[1]
    for name in ("names.txt", "index.json"):
        assert read_folder(tree, classes=str(tmp_path / name))[1].y.tolist() == expected.y.tolist()


WRONG_LISTS: list[tuple[object, str]] = [
    (["auk", "owl"], r"no class of the network[\s\S]*wren"),
    (["wren", "auk", "owl", "auk"], r"not a list of classes[\s\S]*twice"),
    ("wren", "no such file of classes"),
    ([], "not a list of classes"),
    ({"wren": 1, "auk": 2, "owl": 3}, "not numbered from 0"),
    (7, "not a list of classes"),
]


@pytest.mark.parametrize(("given", "says"), WRONG_LISTS)
def test_what_is_no_list_of_classes(tree: Path, given: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_folder(tree, classes=given)


def test_a_broken_file_of_classes(tree: Path, tmp_path: Path) -> None:
    for text_ in ("{", "[" * 100_000):
        (tmp_path / "classes.json").write_text(text_)
        with pytest.raises(DataError, match="the classes cannot be read"):
            read_folder(tree, classes=tmp_path / "classes.json")


def test_images_of_any_size_are_resized_and_cropped(tmp_path: Path) -> None:
    for c in "ab":
        for i, size in enumerate([(60, 40), (40, 60), (33, 33)]):
            picture(tmp_path / c / f"{i}.png", size=size)
    whole = read_folder(tmp_path, split=False, resize=20)[1]
    assert whole.shape == (3, 20, 20)
    assert read_folder(tmp_path, split=False, resize=24, crop=16)[1].shape == (3, 16, 16)
    ramp = np.tile(np.arange(60, dtype=np.uint8) * 4, (40, 1))
    Image.fromarray(np.stack([ramp] * 3, 2)).save(tmp_path / "a" / "0.png")
    row = read_folder(tmp_path, split=False, resize=20)[1].pixels[0, 0, 10].float()
    np.testing.assert_allclose(row, (np.arange(5, 25) * 2 + 0.5) * 4, atol=3)  # the middle 20 of 30 pixels
    exact = read_folder(tmp_path, split=False, crop=33)[1].pixels[0, 0, 10]
    assert exact.tolist() == ramp[0, 14:47].tolist()


def test_sizes_that_cannot_be(tree: Path) -> None:
    for sizes in ({"resize": 0}, {"resize": 4, "crop": 5}):
        with pytest.raises(InputError, match="no such size"):
            read_folder(tree, **sizes)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"smaller than the crop[\s\S]*resize=5"):
        read_folder(tree, crop=5)
    with pytest.raises(InputError, match=r"no such setting[\s\S]*resize"):
        load("digits", resize=16)
    with pytest.raises(InputError, match=r"no such setting"):
        load(f"folder:{tree}", size=16)


def test_the_advice_for_images_of_different_size_works(tree: Path) -> None:
    picture(tree / "owl" / "9.png", size=(9, 9))
    with pytest.raises(DataError, match=r"differs[\s\S]*resize=4"):
        read_folder(tree)
    assert read_folder(tree, resize=4)[0].shape == (3, 4, 4)


def test_a_bitmap_of_two_bytes_for_a_pixel_has_five_bits_a_colour(tree: Path) -> None:
    pixels = np.arange(24, dtype="<u2").reshape(4, 6)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    head = struct.pack("<IiiHHIIiiII", 40, 6, 4, 1, 16, 3, pixels.nbytes, 0, 0, 0, 0) + masks
    start = 14 + len(head)
    file = b"BM" + struct.pack("<IHHI", start + pixels.nbytes, 0, 0, start) + head + pixels.tobytes()
    (tree / "owl" / "9.bmp").write_bytes(file)
    train, test = read_folder(tree)
    assert len(train) + len(test) > 1
