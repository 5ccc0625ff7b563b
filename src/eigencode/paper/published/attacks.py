"""Gaussian noise (D7) and PGD (D10) as published."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from eigencode.base.seeding import hashed
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import per_image, project
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.protocol import Perturbation

JUMP = 0.01
"""Step size of the published PGD for ε ≥ this value; for smaller ε it is 0.1 ε."""


@dataclass(frozen=True)
class PublishedGaussian(Gaussian):
    """Gaussian noise as published (D7): x + eps · d with a new d ~ N(0, 1) for every image and every eps.

    It is deterministic: d is seeded by the index of the image, the seed and the bits of eps.  On a grid of eps, the
    smallest eps that breaks an image is therefore a minimum over independent draws, one per point of the grid.
    """

    path: ClassVar[bool] = False

    def prepare(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        return draws.seeds().to(x.device)

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        assert prepared is not None
        bits = eps.double().contiguous().view(torch.int64)
        seeds = (hashed(prepared ^ bits, 0, count=1)[:, 0].double() * 2**24).long()
        generator = torch.Generator()
        noise = torch.empty(x.shape, dtype=torch.float32)
        for row, seed in zip(noise, seeds.tolist(), strict=True):
            row.normal_(generator=generator.manual_seed(seed))
        return x + per_image(eps, x) * noise.to(x)


@dataclass(frozen=True)
class PublishedPGD(Perturbation):
    """PGD as published (D10): 20 signed gradient steps in the L∞ ball, without random start; returns the last iterate.

    The loss is cross-entropy.  The step size is 0.01, for ε < 0.01 it is 0.1 ε.  Pixels are clipped to the box only at
    the end.  `robustness.PGD` with `loss="cross_entropy"` has none of these departures.
    """

    steps: int = 20
    norm: Norm = field(default="linf", init=False, repr=False)

    def run(self, model: Oracle, x: Tensor, goal: Goal, eps: Tensor, bounds: Bounds, prepared: Tensor | None) -> Tensor:
        alpha = torch.where(eps < JUMP, 0.1 * eps, JUMP)
        point = x
        for _ in range(self.steps):
            slope = model.gradient(point, goal, "cross_entropy")[0]
            point = project(x, point + per_image(alpha, x) * slope.sign(), eps, self.norm, Bounds.none())
        return point
