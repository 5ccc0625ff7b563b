"""Files that the documentation pages assume the reader has: a trained network, data sets, a recording."""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import fake_data
import numpy as np
import processes
import pytest
import recorded
import torch
from torch import nn

SOURCE = """
from torch import nn


class SmallCNN(nn.Sequential):
    def __init__(self, depth=2):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
        self.layer2 = nn.Sequential(*[nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()) for _ in range(depth)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10))
"""


def own_network(folder: Path, patch: pytest.MonkeyPatch, depth: int = 2) -> None:
    """Write `mypackage.models:SmallCNN` and its weights `best.pt`."""
    (folder / "mypackage").mkdir(exist_ok=True)
    (folder / "mypackage" / "models.py").write_text(SOURCE, "utf-8")
    names: dict[str, type[nn.Module]] = {}
    exec(SOURCE, names)
    torch.save(names["SmallCNN"](depth).state_dict(), folder / "best.pt")  # type: ignore[call-arg]


def deeper_network(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The same with `depth=3`."""
    own_network(folder, patch, 3)


def cifar10(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Sixty images in the official format, in `~/data`, which is also the default."""
    fake_data.write_cifar(folder / "data" / "cifar-10-batches-bin", records=60)
    patch.setenv("EIGENCODE_DATA", str(folder / "data"))


def recording(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """`recording.npz` with two repeats, and a file in the layout of Stringer et al."""
    draw = np.random.default_rng(0)
    signal = draw.normal(size=(200, 60)) * np.arange(1, 61) ** -0.5
    np.savez(folder / "recording.npz", responses=signal + 0.1 * draw.normal(size=(2, 200, 60)))
    shown = np.r_[np.tile(np.arange(200), 2), 200, 200]  # 200 images twice, then the grey screen
    answers = np.vstack([signal, np.zeros(60)])[shown] + 0.1 * draw.normal(size=(402, 60))
    many = {"resp": (9 + answers).astype(np.float32), "istim": 1.0 + shown[:, None]}
    many |= {"spont": draw.gamma(1.0, 1.0, (100, 60)).astype(np.float32)}
    recorded.write_stringer(folder / "natimg2800_M170714_MP032_2017-09-14.mat", **many)


def photographs(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A folder `birds` with a sub-folder of images per class."""
    from PIL import Image

    draw = np.random.default_rng(0)
    for kind in ("train", "test"):
        for species in ("finch", "wren"):
            (folder / "birds" / kind / species).mkdir(parents=True)
            for i in range(12):
                pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "birds" / kind / species / f"{i}.png")


def running_dask(folder: Path, patch: pytest.MonkeyPatch) -> AbstractContextManager[object]:
    """A Dask scheduler with one worker, and its file."""
    return processes.running_dask(folder)


def slurm(folder: Path, patch: pytest.MonkeyPatch) -> "AbstractContextManager[Path] | None":
    """A Slurm of one node; it goes on until the page is done."""
    from slurm import missing, running_slurm

    if why := missing():
        pytest.skip(why)
    home = folder / "slurm"
    if home.exists():
        return None
    home.mkdir()
    patch.setenv("SLURM_CONF", str(home / "slurm.conf"))
    patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    patch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    return running_slurm(home)
