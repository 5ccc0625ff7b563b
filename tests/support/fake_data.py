"""Small files in the official formats, written with the standard library alone."""

import gzip
import random
import struct
from pathlib import Path

CIFAR_FILES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
IDX_FILES = [f"{s}-{k}-ubyte" for s in ("train", "t10k") for k in ("images-idx3", "labels-idx1")]


def cifar_record(label: int, seed: int) -> bytes:
    return bytes([label]) + random.Random(seed).randbytes(3072)


def write_cifar(folder: Path, records: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(CIFAR_FILES):
        parts = [cifar_record(i % 10, 100 * number + i) for i in range(records)]
        (folder / name).write_bytes(b"".join(parts))
    return folder


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + values


def idx_contents(n: int = 12, seed: int = 0) -> dict[str, bytes]:
    draw = random.Random(seed)
    return {
        name: idx((n, 28, 28), draw.randbytes(n * 784))
        if "images" in name
        else idx((n,), bytes(i % 10 for i in range(n)))
        for name in IDX_FILES
    }


def write_idx(folder: Path, n: int = 12, packed: bool = False, dot: bool = False, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in idx_contents(n, seed).items():
        name = name.replace("-idx", ".idx") if dot else name
        (folder / (name + ".gz" if packed else name)).write_bytes(
            gzip.compress(content, mtime=0) if packed else content
        )
    return folder
