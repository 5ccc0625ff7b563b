"""Ways in which a disk, or a hand, damages a stored file; each takes a file of a store."""

import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open

from eigencode.training._state import Checkpoint


def flip(place: float, bit: int = 0) -> Callable[[Path], object]:
    """Flip one bit of the byte at this share of the file's length."""

    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[min(int(place * len(content)), len(content) - 1)] ^= 1 << bit
        path.write_bytes(content)

    return change


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def swap(path: Path) -> None:
    """Exchange the folder of this step and another of the same kind."""
    steps = next(p for p in path.parents if p.name == "steps")
    mine = steps / path.relative_to(steps).parts[0]
    kind = mine.name.rpartition("-")[0]
    other = next(p for p in sorted(steps.iterdir()) if p.name.startswith(kind) and p != mine)
    spare = steps / "spare"
    mine.rename(spare)
    other.rename(mine)
    spare.rename(other)


def add(path: Path) -> None:
    shutil.copyfile(path, path.with_name("a.safetensors"))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "first bit flipped": flip(0),
    "middle bit flipped": flip(0.5, 3),
    "last bit flipped": flip(1, 6),
    "truncated": truncate,
    "emptied": lambda path: path.write_bytes(b""),
    "zeroed": zero,
    "deleted": lambda path: path.unlink(),
    "a byte appended": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "another file beside it": add,
    "folders swapped": swap,
}


def without_steps(path: Path) -> None:
    """Make a checkpoint one of eigencode 0.1, which counted epochs only."""
    with safe_open(str(path), "pt") as file:
        checkpoint = Checkpoint(path, file.metadata()["identity"])
    tensors, values = checkpoint.load() or ({}, {})
    checkpoint.save(tensors, {k: v for k, v in values.items() if k != "step"})
