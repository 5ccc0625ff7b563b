"""D7 and D10: noise and PGD as published."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import per_image, project
from eigencode.robustness._draws import Draws, hashed
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness.noise import Gaussian
from eigencode.robustness.protocol import Perturbation

JUMP = 0.01
"""The ε at which the published step jumps from 0.1 ε to this."""


@dataclass(frozen=True)
class PublishedGaussian(Gaussian):
    """x + eps · d with a d ~ N(0, 1) of its own for every image and every eps (D7).

    Deterministic all the same: the direction is drawn from the image's number, the seed and the bits of eps.  The first
    eps of a grid that breaks an image is then a minimum over as many draws as the grid has points up to there.
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
    """20 signed steps up the cross-entropy from the image itself, kept in the L∞ ball; the last iterate (D10).

    The step is 0.01, below ε = 0.01 it is 0.1 ε.  The box is heeded at the end only.  `robustness.PGD` with
    `loss="cross_entropy"` repairs all of it.
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
