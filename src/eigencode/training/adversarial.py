"""Adversarial training: every batch is replaced by adversarial examples for the current weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Space
from eigencode.representation._modes import borrowed
from eigencode.robustness.protocol import Perturbation


@dataclass(frozen=True)
class Adversarial(Admitted):
    """Train on adversarial examples: min_θ E max_{‖δ‖ ≤ ε} L(θ, x + δ, y), with `attack` for the inner maximum.

    Args:
        attack: any perturbation, usually `PGD(steps=7, random_start=True)`.
        eps: radius, ≥ 0, in units of `space` and of the norm of the attack.
        space: `"pixel"`, or `"unit"` for images scaled to unit norm (networks of this package), as in the paper.

    The attack runs on the network in evaluation mode, the training step in training mode.

    Source: Madry et al. 2018 (arXiv 1706.06083), eq. 2.1.
    """

    attack: Perturbation
    eps: float
    space: Space = "pixel"

    def __post_init__(self) -> None:
        if not 0 <= self.eps < float("inf"):
            raise InputError("Adversarial: eps is out of range", got=self.eps, wanted="a finite number >= 0")

    def worst(
        self, net: nn.Module, logits: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the perturbed batch, inside the ball and the box [0, 1]; does not change the network."""
        with borrowed(net):
            return self.attack(logits, x, y, self.eps, Bounds(), generator, check=False).clipped
