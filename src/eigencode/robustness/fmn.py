"""FMN: fast minimum-norm attack in L∞, L2 and L1."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import check_norm, length, per_image, project, unit
from eigencode.robustness._draws import Draws
from eigencode.robustness._losses import check_loss
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness._search import guess
from eigencode.robustness.minimal import MinimumNorm


@dataclass(frozen=True)
class FMN(MinimumNorm):
    """FMN: steps along the normalised gradient, projected onto a ball whose radius adapts to the boundary.

    Until the first success there is no ball; afterwards its radius grows by 1 + γ after a failure and falls to
    min((1 − γ)·radius, smallest success) after a success.  Both γ and the step fall by a cosine.

    Args:
        gamma: first relative change of the radius; the last is 1e-4.
        step: first step length / L2 distance to the boundary of the linearised network; the last is a hundredth.
        loss: a name of `losses.LOSSES`; `"scale_free"` by default, `"cross_entropy"` in the publication.

    Source: Pintor et al. 2021, arXiv 2102.12827, algorithm 1.  Differs from it by the step, relative to the distance
    of each image from the boundary (theirs is 1 for all, a convention of pixels in [0, 1]), by the loss, and by having
    no ball before the first success (theirs is the ball that touches the boundary of the linearised network, which
    commits to the class that is nearest at the start).

    >>> x, y = torch.tensor([[0.6, 0.5]]), torch.tensor([0])
    >>> FMN(norm="linf", steps=20)(lambda x: x, x, y).distance  # exact: 0.1 / 2
    tensor([0.0500], dtype=torch.float64)
    """

    norm: Norm = "linf"
    steps: int = 100
    gamma: float = 0.15
    step: float = 1.4
    loss: str = "scale_free"

    def __post_init__(self) -> None:
        check_norm(self.norm)
        check_loss(self.loss)
        if not (self.steps >= 1 and 0 < self.gamma < 1 and self.step > 0):
            raise InputError("settings of FMN make no sense", got=repr(self), wanted="steps >= 1, 0 < gamma < 1, > 0")

    def run(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        first = guess("l2", model, x, goal).clamp_min(1e-6) * self.step
        point, best = x.clone(), x.clone()
        nearest = torch.full_like(first, torch.inf)
        radius = torch.full_like(first, torch.inf)
        for k in range(self.steps):
            slope, _, hit = model.gradient(point, goal, self.loss)
            size = length(point - x, self.norm)
            closer = hit & (size < nearest)
            best[closer], nearest[closer] = point[closer], size[closer]
            fall = (1 + math.cos(math.pi * k / self.steps)) / 2
            gamma = 1e-4 + (self.gamma - 1e-4) * fall
            radius = torch.where(hit, torch.minimum(radius * (1 - gamma), nearest), radius * (1 + gamma))
            alpha = first * (0.01 + 0.99 * fall)
            moved = bounds.clip(point + per_image(alpha, x) * unit(slope, "l2"))
            point = project(x, moved, radius, self.norm, bounds)
        closer = model.reached(point, goal) & (length(point - x, self.norm) < nearest)
        best[closer] = point[closer]
        return best
