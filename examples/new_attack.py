"""A perturbation in one file: make all pixels brighter, or all darker.    python examples/new_attack.py --images 100"""

import argparse
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

import eigencode as ec
from eigencode.base.types import Bounds, Norm
from eigencode.robustness import FGSM, Gaussian, Perturbation
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle


@dataclass(frozen=True)
class Light(Perturbation):
    """Change all pixels of an image by the same amount: x + eps · s with one random sign s per image (eps in L∞)."""

    norm: Norm = "linf"
    path: ClassVar[bool] = True
    blind: ClassVar[bool] = True

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        return draws.normal((1,) * (x.ndim - 1)).to(x).sign()

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        assert prepared is not None
        return x + eps.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1)) * prepared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    chosen = parser.parse_args()
    train, test = ec.load("digits")
    net = ec.models.perceptron(train, units=40)
    ec.train_supervised(net, train, epochs=20, batch_size=100)
    for attack in (Light(), Gaussian(), FGSM()):
        found = ec.robustness.critical_size(net, test[: chosen.images], attack, space="pixel")
        never = int(found.censored.sum())
        print(f"{attack.name:<42} median L2 {found.median}, {never} of {found.n_correct} never broken")
    curve = ec.robustness.curve(net, test[: chosen.images], Light(), eps=torch.linspace(0, 1, 6), space="pixel")
    print("accuracy at eps 0 .. 1:", " ".join(f"{a:.2f}" for a in curve.accuracy.tolist()))


if __name__ == "__main__":
    main()
