"""Robustness curves of 3072 → 2000 → 10 on 1000 images, 400 ε, in unit space, against a grid of attacks.

The straightforward way attacks every image at every ε (FGSM: one gradient per ε; PGD: 20 steps per ε from the image,
step 2.5 ε / 20, last iterate).  For PGD it is run at every 40th ε and its time multiplied: all of it takes an hour.
The row of the masking checks compares them with the measurement they belong to.
"""

import time

import torch
from torch import Tensor, nn

from benchmarks.backprop import data
from benchmarks.timing import Result, best
from eigencode.models import Stack, perceptron
from eigencode.robustness import FGSM, PGD, critical_size, curve, masking_checks
from eigencode.training import train_supervised

EPS = torch.logspace(-6, -1.5, 400, dtype=torch.float64)
EVERY = 40


def gradient(net: Stack, u: Tensor, y: Tensor) -> Tensor:
    u = u.detach().requires_grad_()
    loss = nn.functional.cross_entropy(net.run(u, after="norm"), y, reduction="sum")
    return torch.autograd.grad(loss, u)[0]


def grid(net: Stack, u: Tensor, y: Tensor, eps: Tensor, steps: int) -> Tensor:
    """Is each image broken at each ε?  `eps x images`."""
    broken = []
    for e in eps.float():
        point = u
        for _ in range(steps):
            move = gradient(net, point, y).sign() * (e if steps == 1 else 2.5 * e / steps)
            point = u + (point + move - u).clamp(-e, e)
        with torch.no_grad():
            broken.append(net.run(point, after="norm").argmax(1) != y)
    return torch.stack(broken)


def run() -> list[Result]:
    train, test = data()
    net = perceptron(train, units=2000)
    train_supervised(net, train[:10_000], epochs=3)
    test = test[:1000]
    u = net.norm(test.x).detach()
    with torch.no_grad():
        right = net.run(u, after="norm").argmax(1) == test.y
    u, y = u[right], test.y[right]
    net.eval().requires_grad_(False)

    began = time.perf_counter()
    broken = grid(net, u, y, EPS, 1)
    slow = time.perf_counter() - began
    began = time.perf_counter()
    found = curve(net, test, FGSM(loss="cross_entropy"), EPS, space="unit", check=False)
    fast = time.perf_counter() - began
    gap = float((found.relative_accuracy - (1 - broken.double().mean(1))).abs().max())
    fgsm = Result("FGSM curve, 400 ε, 1000 images", slow, fast, 10.0, f"relative accuracies equal to {gap:.4f}")

    part = EPS[::EVERY]
    began = time.perf_counter()
    broken = grid(net, u, y, part, 20)
    slow = (time.perf_counter() - began) * EVERY
    attack = PGD(norm="linf", steps=20)
    began = time.perf_counter()
    found = curve(net, test, attack, EPS, space="unit", check=False)
    sizes = critical_size(net, test, attack, space="unit", check=False)
    fast = time.perf_counter() - began
    weaker = int((found.relative_worst_case_accuracy[::EVERY] > 1 - broken.double().mean(1) + 1e-9).sum())
    agreement = (
        f"more images left unbroken at {weaker} of {len(part)} ε tried; median critical size {sizes.median.value:.4g}"
    )
    note = f"straightforward: {len(part)} of 400 ε, time × {EVERY}"
    size, checks = best(
        lambda: critical_size(net, test, FGSM(), space="unit", check=False),
        lambda: masking_checks(net, test, space="unit", warn=False),
    )
    told = "the critical sizes alone against the checks alone: they may cost half"
    masking = Result("masking checks beside FGSM critical sizes, 1000 images", size, checks, 2.0, told)
    return [
        fgsm,
        masking,
        Result("PGD-20 curve, 400 ε, and critical sizes, 1000 images", slow, fast, 20.0, agreement, note),
    ]
