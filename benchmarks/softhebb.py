"""The three published SoftHebb layers for CIFAR-10, a step on a batch of 10, their pool, and the read-out behind them.

The straightforward step is the published form: the weight change as a convolution with the output as the kernel (images
and channels exchanged, the output of one unit a kernel as large as its map).  Weights have the norm 25, as at the
start, where most shares of the softmax are denormal numbers, or 5, as through most of the training.  The
straightforward read-out computes the encoder anew for every batch.
"""

import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.backprop import Clock
from benchmarks.timing import Result, best
from eigencode.base.precision import Precision, multiplies_bfloat16
from eigencode.base.types import Images
from eigencode.models import LocalConv2d, softhebb
from eigencode.models.layers import MaxPool2d
from eigencode.rules import SoftHebb
from eigencode.training import train_supervised

LAYERS = ((3, 96, 5, 32, 1.0, 0.08), (96, 384, 3, 16, 0.65, 0.005), (384, 1536, 3, 8, 0.25, 0.01))
"""Channels, units, kernel, size of the maps, inverse temperature, learning rate."""

BATCH, READ_OUT_IMAGES, READ_OUT_BATCH = 10, 640, 64


def published(x: Tensor, weight: Tensor, kernel: int, t: float, lr: float) -> Tensor:
    """The weights after a step of anti-Hebbian SoftHebb, with the exponent ½ of the rate."""
    w = weight.reshape(len(weight), -1, kernel, kernel)
    x = F.pad(x, [kernel // 2] * 4)
    u = F.conv2d(x, w)
    share = (t * u).softmax(1)
    y = torch.where(F.one_hot(u.argmax(1), len(w)).movedim(-1, 1) > 0, share, -share)
    change = F.conv2d(x.transpose(0, 1), y.transpose(0, 1)).transpose(0, 1)
    change = (change - (y * u).sum((0, 2, 3))[:, None, None, None] * w).flatten(1)
    rate = lr * ((weight.norm(dim=1) - 1).abs() + 1e-10).sqrt()
    return weight + rate[:, None] * change / change.abs().max()


def one_layer(
    channels: int, units: int, kernel: int, size: int, t: float, lr: float, *, start: float, precision: Precision
) -> Result:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, channels, size, size, generator=generator)
    rule = SoftHebb(start=start, inverse_temperature=t, precision=precision)
    first = rule.init(units, channels * kernel**2, generator)
    layer = LocalConv2d(first, rule, kernel, padding=kernel // 2)
    weight = layer.weight.detach()

    def step() -> None:
        rule.step(weight, layer.change(rule, x, rule.operand(weight)), lr)

    step()
    wanted = published(x, first, kernel, t, lr)
    gap = float((weight - wanted).norm() / (wanted - first).norm())
    assert gap < (1e-3 if precision == "float32" else 0.2), f"the steps differ by {gap}"
    matrix = rule.operand(weight)
    rows = layer.rows(x).to(matrix.dtype)
    y = torch.randn(len(rows), units, generator=generator).to(matrix.dtype)
    slow, fast, floor = best(
        lambda: published(x, first, kernel, t, lr), step, lambda: (rows @ matrix.T, y.T @ rows), repeats=5
    )
    work = f"SoftHebb step, {BATCH}×{channels}×{size}×{size}→{units}, norm {start:g}, {precision}"
    told = f"its matrix products alone take {floor:.4f} s"
    return Result(work, slow, fast, float("nan"), f"steps equal to {gap:.0e}", told)


def read_out() -> Result:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(READ_OUT_IMAGES, 3, 32, 32, generator=generator)
    images = Images(pixels, torch.arange(READ_OUT_IMAGES) % 10)
    net, clock = softhebb(images).eval(), Clock()
    train_supervised(net, images, "readout", epochs=4, batch_size=READ_OUT_BATCH, callbacks=[clock])
    optimizer = torch.optim.Adam(net.readout.parameters(), lr=1e-3)
    began = time.perf_counter()
    for x, y in zip(images.x.split(READ_OUT_BATCH), images.y.split(READ_OUT_BATCH), strict=True):
        with torch.no_grad():
            z = net.run(x, until="latent")
        optimizer.zero_grad()
        F.cross_entropy(net.readout(z), y).backward()
        optimizer.step()
    slow = time.perf_counter() - began
    note = (
        f"{READ_OUT_IMAGES} images; float32; the features are computed once, in the time of one straightforward epoch"
    )
    return Result("read-out epoch on cached features, three layers", slow, clock.best(), 50.0, "times only", note)


def pool() -> Result:
    x = torch.randn(64, 96, 32, 32, generator=torch.Generator().manual_seed(0)).relu()
    plain, layer = nn.MaxPool2d(4, 2, 1), MaxPool2d(4, 2, 1)
    assert layer(x).equal(plain(x))
    slow, fast, floor = best(lambda: plain(x), lambda: layer(x), x.clone, repeats=10)
    told = f"copying the maps takes {floor:.4f} s"
    return Result("maximum over 4×4, 64×96×32×32", slow, fast, float("nan"), "equal to the bit", told)


def run() -> list[Result]:
    precisions: tuple[Precision, ...] = ("float32", "bfloat16") if multiplies_bfloat16("cpu") else ("float32",)
    each = [(layer, start, p) for layer in LAYERS for start in (25.0, 5.0) for p in precisions]
    return [*(one_layer(*layer, start=start, precision=p) for layer, start, p in each), pool(), read_out()]
