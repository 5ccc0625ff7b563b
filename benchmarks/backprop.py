"""One epoch of backpropagation, 50 000 × 3072 → 2000 → 10 in batches of 1000, against the textbook loop."""

import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.timing import Result
from eigencode.base.types import Images
from eigencode.models import perceptron
from eigencode.training import Callback, Progress, train_supervised

IMAGES = 50_000


class Clock(Callback):
    """The time at the end of every epoch."""

    def __init__(self) -> None:
        self.times = [time.perf_counter()]

    def on_epoch(self, progress: Progress) -> None:
        self.times.append(time.perf_counter())


def textbook(images: Images, units: int) -> float:
    """Seconds of an epoch: DataLoader over single images, float32, Adam with its defaults."""
    rows = images.x.flatten(1)
    rows /= torch.linalg.vector_norm(rows, 3, dim=1, keepdim=True)
    loader = DataLoader(TensorDataset(rows, images.y), batch_size=1000, shuffle=True)
    net = nn.Sequential(nn.Linear(rows.shape[1], units, bias=False), nn.ReLU(), nn.Linear(units, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    began = time.perf_counter()
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return time.perf_counter() - began


def here(images: Images, units: int, precision: str) -> float:
    """Seconds of the second of two epochs of `train_supervised`: what is computed once is not part of an epoch."""
    clock = Clock()
    net = perceptron(images, units=units)
    train_supervised(net, images, epochs=2, precision=precision, callbacks=[clock])  # type: ignore[arg-type]
    return clock.times[-1] - clock.times[-2]


def run() -> list[Result]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images = Images(pixels, torch.randint(0, 10, (IMAGES,), generator=generator))
    slow = min(textbook(images, 2000) for _ in range(2))
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    note = "" if native else "this processor does not multiply bfloat16 natively"
    work = "one BP epoch, 50 000×3072→2000→10"
    return [
        Result(f"{work}, float32", slow, min(here(images, 2000, "float32") for _ in range(2)), 1.4, "see tests"),
        Result(
            f"{work}, bfloat16", slow, min(here(images, 2000, "bfloat16") for _ in range(2)), 4.0, "see tests", note
        ),
    ]
