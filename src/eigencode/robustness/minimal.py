"""Minimum-norm attacks, which search for the closest adversarial image without a given eps."""

from abc import abstractmethod
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from eigencode.base.border import admit
from eigencode.base.types import Bounds
from eigencode.representation._foreign import watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import Logits, function_of
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Goal, Oracle
from eigencode.robustness._search import draw_back
from eigencode.robustness.protocol import Attack, Perturbed, at_least_single, checked


class MinimumNorm(Attack):
    """Base of attacks that search for the closest adversarial image.

    A subclass is a frozen dataclass with settings as fields, among them `norm`, and a method `run`; this class checks
    the input, clips to the box, evaluates success and moves the result closer to the image.
    """

    @abstractmethod
    def run(
        self, model: Oracle, x: Float[Tensor, "n *image"], goal: Goal, bounds: Bounds, draws: Draws
    ) -> Float[Tensor, "n *image"]:
        """The closest adversarial images found; any image that is not adversarial where the search failed."""

    @final
    def __call__(
        self,
        logits: Logits,
        x: Float[Tensor, "n *image"],
        y: Int[Tensor, " n"],
        bounds: Bounds | None = None,
        generator: torch.Generator | None = None,
        target: Int[Tensor, " n"] | None = None,
        finish: bool = True,
        check: bool = True,
    ) -> Perturbed:
        """Search for the closest adversarial image of each image, and evaluate the result.

        Args:
            logits, x, y, bounds, generator, target, check: as in `Perturbation`.
            finish: bisect between each image and its adversarial image.

        Raises:
            InputError: points outside the box, shapes or labels that do not fit.
        """
        admit(MinimumNorm.__call__, locals())
        bounds = Bounds() if bounds is None else bounds
        goal, _ = checked(self.norm, x, y, 0.0, bounds, target)
        function, x = function_of(logits), bounds.clip(at_least_single(x.detach()))
        with borrowed(function):
            if check:
                watch(function, x)
            return self.nearest(Oracle(function), x, goal, bounds, Draws.of(generator, len(x)), finish)

    @final
    def nearest(
        self, model: Oracle, x: Tensor, goal: Goal, bounds: Bounds, draws: Draws, finish: bool = True
    ) -> Perturbed:
        """`__call__` without the checks of the input."""
        before = model.counts
        raw = self.run(model, x, goal, bounds, draws).detach()
        clipped = bounds.clip(raw)
        with torch.no_grad():
            found = model(clipped)
            hit = goal.reached(found)
            if finish and bool(hit.any()):
                clipped[hit] = draw_back(model, x[hit], clipped[hit], goal.take(hit), rounds=12)
                found = model(clipped)
        return self._evaluated(model, before, x, goal, raw, clipped, found)
