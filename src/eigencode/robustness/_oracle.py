"""Access of an attack to the network: counted logits and gradients; and the goal of the attack."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.representation._blaming import blaming
from eigencode.representation._foreign import as_logits, slope
from eigencode.representation.at import Logits, function_of
from eigencode.robustness._losses import LOSSES, margin

Counts = tuple[int, int, int]


class NoGradient(InputError):
    """The logits do not depend on the images differentiably."""

    def __init__(self) -> None:
        super().__init__(
            "the network has no gradient with respect to its images",
            wanted="logits that depend differentiably on the images",
            fix="use an attack without gradients (Gaussian, Sphere, Square), or drop no_grad, inference_mode, detach",
        )


@dataclass(frozen=True)
class Goal:
    """Goal of an attack: a prediction other than `y`, or the class `target`."""

    y: Int[Tensor, " n"]
    target: Int[Tensor, " n"] | None = None

    def take(self, rows: Int[Tensor, " m"] | Bool[Tensor, " n"]) -> "Goal":
        """Goals of a subset of the images."""
        return Goal(self.y[rows], None if self.target is None else self.target[rows])

    def reached(self, logits: Float[Tensor, "n classes"]) -> Bool[Tensor, " n"]:
        """True where the prediction (`argmax` of the logits) fulfils the goal."""
        found = logits.argmax(1)
        return found != self.y if self.target is None else found == self.target

    def loss(self, name: str, logits: Float[Tensor, "n classes"]) -> Float[Tensor, " n"]:
        """Loss `name` per image, which increases towards the goal."""
        return LOSSES[name](logits, self.y, self.target)

    def gap(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, " n"]:
        """Remaining difference of logits to the goal: <= 0 where it is reached (ties aside)."""
        return -margin(logits, self.y, self.target)


class Oracle:
    """Counting wrapper around a network for attacks: logits of points and gradients of a loss.

    `oracle(x)` returns logits, with an autograd graph if enabled; `oracle.gradient(x, goal, loss)` the gradient.

    Attributes:
        logits: the network as a function that leaves its argument alone.
        evaluations: number of images for which logits were computed.
        gradients: number of images for which a gradient was computed.
        zero_gradients: number of these that were all zero, or not finite (replaced by zero).
    """

    def __init__(self, logits: Logits, net: object = None) -> None:
        self.logits, self._net = function_of(logits), logits if net is None else net
        self.evaluations = 0
        self.gradients = 0
        self.zero_gradients = 0

    def __call__(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n classes"]:
        with blaming(self._net, x):
            logits = as_logits(self.logits(x), len(x))
        self.evaluations += len(x)
        return logits

    @property
    def counts(self) -> Counts:
        """The counters (evaluations, gradients, zero_gradients)."""
        return self.evaluations, self.gradients, self.zero_gradients

    @torch.no_grad()
    def reached(self, x: Float[Tensor, "n *image"], goal: Goal) -> Bool[Tensor, " n"]:
        """True for the points at which the goal is reached."""
        return goal.reached(self(x))

    def gradient(
        self, x: Float[Tensor, "n *image"], goal: Goal, loss: str
    ) -> tuple[Float[Tensor, "n *image"], Float[Tensor, " n"], Bool[Tensor, " n"]]:
        """Gradient of the loss with respect to each image, `goal.gap` at `x`, and success at `x`.

        Raises:
            NoGradient: the logits do not depend on the points differentiably.
        """
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            try:
                logits = self(point)
            except InputError as error:
                if "requires grad" in str(error.__cause__):  # `numpy()` of the points
                    raise NoGradient from error
                raise
            if not logits.requires_grad:
                raise NoGradient
            losses = goal.loss(loss, logits)
            found = slope(losses, point, torch.ones_like(losses))
        largest = found.flatten(1).abs().amax(1)  # NaN if any of them is
        finite = torch.isfinite(largest)
        if not bool(finite.all()):
            found = torch.where(finite.reshape(-1, *[1] * (x.ndim - 1)), found, 0.0)
        self.gradients += len(x)
        self.zero_gradients += int(((largest == 0) | ~finite).sum())
        logits = logits.detach()
        return found, goal.gap(logits), goal.reached(logits)
