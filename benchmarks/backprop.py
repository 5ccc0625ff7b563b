"""20 epochs of backpropagation, 3072 → 2000 → 10 in batches of 1000, and of a read-out, against the textbook loop.

The time is that of an epoch, the best of all but the first (what is computed once is not part of an epoch); the
accuracy is that on test images after the last, mean ± standard deviation over three seeds.  On CIFAR-10 from
the folder `EIGENCODE_DATA`, if that is set, else on digits blown up to its size, repeated to as many images.
"""

import math
import os
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import eigencode as ec
from benchmarks.timing import Result, best
from eigencode.base.precision import product_dtype
from eigencode.base.types import Images
from eigencode.models import Stack, krotov_hopfield, perceptron
from eigencode.rules import KrotovHopfield
from eigencode.training import Callback, Progress, train_local, train_supervised

IMAGES, EPOCHS, SEEDS, UNITS = 50_000, 20, (0, 1, 2), 2000
Trained = tuple[float, float]
"""Seconds of an epoch, accuracy on test images."""


class Clock(Callback):
    """The time at the end of every epoch."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_epoch(self, progress: Progress) -> None:
        self.times.append(time.perf_counter())

    def best(self) -> float:
        """Seconds of the quickest epoch after the first."""
        return min(b - a for a, b in zip(self.times, self.times[1:]))


def data() -> tuple[Images, Images]:
    if os.environ.get("EIGENCODE_DATA"):
        return ec.load("cifar10")
    train, test = (_like_cifar(part) for part in ec.load("mnist5k"))
    return train[torch.arange(IMAGES) % len(train)], test


def _like_cifar(digits: Images) -> Images:
    large = nn.functional.interpolate(digits.x, (32, 32), mode="bilinear").expand(-1, 3, -1, -1)
    return Images(large.mul(255).round().to(torch.uint8), digits.y)


def textbook(net: Stack, train: Images, test: Images, learn: nn.Module, seed: int) -> Trained:
    """DataLoader over single images, float32, Adam with its defaults, the whole network in every step."""
    rows = torch.cat([net.norm(part.x).flatten(1) for part in (train, test)])
    loader = DataLoader(
        TensorDataset(rows[: len(train)], train.y),
        batch_size=1000,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )
    layers = nn.Sequential(net.encoder, net.activation, net.readout)
    optimizer = torch.optim.Adam(learn.parameters(), lr=1e-3)
    clock = Clock()
    for _ in range(EPOCHS):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(layers(x), y).backward()
            optimizer.step()
        clock.times.append(time.perf_counter())
    with torch.no_grad():
        hits = layers(rows[len(train) :]).argmax(1) == test.y
    return clock.best(), float(hits.double().mean())


def here(net: Stack, train: Images, test: Images, parameters: str, precision: str, seed: int) -> Trained:
    clock = Clock()
    train_supervised(
        net,
        train,
        parameters,
        epochs=EPOCHS,
        seed=seed,
        precision=precision,  # type: ignore[arg-type]
        callbacks=[clock],
    )
    with torch.no_grad():
        hits = torch.cat([net(part).argmax(1) for part in test.x.split(1000)]) == test.y
    return clock.best(), float(hits.double().mean())


def compared(work: str, slow: list[Trained], fast: list[Trained], wanted: float, note: str = "") -> Result:
    told = [torch.tensor([accuracy for _, accuracy in ran]) for ran in (slow, fast)]
    agreement = " against ".join(f"{float(t.mean()):.4f} ± {float(t.std()):.4f}" for t in told)
    seconds = [min(s for s, _ in ran) for ran in (slow, fast)]
    return Result(work, *seconds, wanted, f"test accuracy after {EPOCHS} epochs, three seeds: {agreement}", note)


def products(precision: torch.dtype) -> float:
    """Seconds the two large matrix products of an epoch take by themselves: no loop can be faster."""
    x, weight, slope = (torch.rand(*shape).to(precision) for shape in ((1000, 3072), (UNITS, 3072), (1000, UNITS)))
    forward, *backward = best(lambda: x @ weight.T, lambda: slope.T @ x, lambda: slope.T.contiguous() @ x)
    return (forward + min(backward)) * IMAGES / 1000


def over_seeds(way: Callable[[int], Trained]) -> list[Trained]:
    return [way(seed) for seed in SEEDS]


def run() -> list[Result]:
    train, test = data()

    def bp(seed: int) -> Stack:
        return perceptron(train, units=UNITS, seed=seed)

    work = f"one BP epoch, {len(train)}×{math.prod(train.shape)}→{UNITS}→10"
    slow = over_seeds(lambda s: textbook(net := bp(s), train, test, net, s))
    results = [
        compared(
            f"{work}, {precision}",
            slow,
            over_seeds(lambda s, p=precision: here(bp(s), train, test, "all", p, s)),  # type: ignore[misc]
            wanted,
            f"its matrix products alone take {products(product_dtype(precision)):.2f} s",
        )
        for precision, wanted in (("float32", 1.4), ("bfloat16", 4.0))
    ]
    learned = krotov_hopfield(train, units=UNITS)
    train_local(learned, train, KrotovHopfield(), epochs=2)

    def kh(seed: int) -> Stack:
        net = krotov_hopfield(train, units=UNITS, seed=seed)
        net.encoder.load_state_dict(learned.encoder.state_dict())
        for part in (net.norm, net.encoder):
            part.requires_grad_(False)
        return net

    slow = over_seeds(lambda s: textbook(net := kh(s), train, test, net.readout, s))
    fast = over_seeds(lambda s: here(kh(s), train, test, "readout", "float32", s))
    return [*results, compared("one read-out epoch on a KH layer, float32", slow, fast, float("nan"))]
