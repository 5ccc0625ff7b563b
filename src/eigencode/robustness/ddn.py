"""DDN: minimum-norm L2 attack with decoupled direction and norm."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._balls import length, per_image, unit
from eigencode.robustness._draws import Draws
from eigencode.robustness._losses import check_loss
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness._search import guess
from eigencode.robustness.minimal import MinimumNorm


@dataclass(frozen=True)
class DDN(MinimumNorm):
    """Decoupled direction and norm: a step along ∇L/‖∇L‖₂, then the perturbation is scaled to a radius that shrinks
    by the factor 1 − γ after a success and grows by 1 + γ after a failure.

    Args:
        gamma: relative change of the radius per step.
        radius: first radius, in units of the space; None: distance to the boundary of the linearised network.
        step: first step length / first radius; falls to a hundredth of itself by a cosine.
        loss: a name of `losses.LOSSES`; `"scale_free"` by default, `"cross_entropy"` in the publication.

    Source: Rony et al. 2019, arXiv 1811.09600, algorithm 1.  Differs from it by a first radius per image (theirs is
    1 for all, a convention of pixels in [0, 1]) and by no quantisation to 256 levels.

    >>> x, y = torch.tensor([[0.6, 0.5]]), torch.tensor([0])
    >>> DDN(steps=10)(lambda x: x, x, y).distance  # exact: 0.1 / √2
    tensor([0.0707], dtype=torch.float64)
    """

    steps: int = 100
    gamma: float = 0.05
    radius: float | None = None
    step: float = 1.0
    loss: str = "scale_free"
    norm: Norm = field(default="l2", init=False, repr=False)

    def __post_init__(self) -> None:
        check_loss(self.loss)
        good = self.steps >= 1 and 0 < self.gamma < 1 and self.step > 0 and not (self.radius and self.radius <= 0)
        if not good:
            raise InputError("settings of DDN make no sense", got=repr(self), wanted="steps >= 1, 0 < gamma < 1, > 0")

    def run(self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws) -> Tensor:
        if self.radius is None:
            radius = guess(self.norm, model, x, goal).clamp_min(1e-6)
        else:
            radius = torch.full((len(x),), self.radius, dtype=torch.float64, device=x.device)
        first = radius * self.step
        point, best, nearest = x.clone(), x.clone(), torch.full_like(radius, torch.inf)
        for k in range(self.steps):
            slope, _, hit = model.gradient(point, goal, self.loss)
            size = length(point - x, "l2")
            closer = hit & (size < nearest)
            best[closer], nearest[closer] = point[closer], size[closer]
            alpha = first * (0.01 + 0.99 * (1 + math.cos(math.pi * k / self.steps)) / 2)
            radius = radius * torch.where(hit, 1 - self.gamma, 1 + self.gamma)
            delta = point - x + per_image(alpha, x) * unit(slope, "l2")
            point = bounds.clip(x + per_image(radius, x) * unit(delta, "l2"))
        closer = model.reached(point, goal) & (length(point - x, "l2") < nearest)
        best[closer] = point[closer]
        return best
