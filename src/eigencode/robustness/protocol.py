"""Base classes of attacks: they check the input, project, and evaluate success; a subclass defines `run`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Norm, Space
from eigencode.representation._foreign import watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import Logits, function_of
from eigencode.robustness._balls import check_norm, diameter, length, project
from eigencode.robustness._draws import Draws
from eigencode.robustness._oracle import Counts, Goal, Oracle


@dataclass(frozen=True)
class Perturbed:
    """Perturbed images and the success of each, on the device of the images.

    Attributes:
        raw: output of `run`.
        clipped: `raw` projected onto the eps ball and the box; all other fields refer to it.
        success: True if the prediction at `clipped` is wrong (or is the target).
        gap: remaining difference of logits to the goal at `clipped`; negative after success.
        size: L2 norm of `clipped − x`, float64.
        distance: norm of `clipped − x` in the norm of the attack, float64.
        evaluations, gradients, zero_gradients: number of images evaluated, differentiated, and with zero gradient.
    """

    raw: Float[Tensor, "n *image"]
    clipped: Float[Tensor, "n *image"]
    success: Bool[Tensor, " n"]
    gap: Float[Tensor, " n"]
    size: Float[Tensor, " n"]
    distance: Float[Tensor, " n"]
    evaluations: int
    gradients: int
    zero_gradients: int


class Attack(Admitted, ABC):
    """Common base of perturbations of a given size and of minimum-norm attacks."""

    norm: Norm
    blind: ClassVar[bool] = False
    """True if it uses no gradient, so that masked gradients do not matter."""

    def box(self, space: Space) -> Bounds:
        """Bounds of the perturbed images in `space`; by default [0, 1]."""
        return Bounds(0.0, 1.0)

    def reach(self, inputs: int) -> float:
        """Largest useful eps for `inputs` numbers per image: the diameter of [0, 1]^inputs."""
        return diameter(self.norm, inputs)

    @property
    def name(self) -> str:
        """Name and settings, for records."""
        return repr(self)

    @final
    def _evaluated(
        self, model: Oracle, before: Counts, x: Tensor, goal: Goal, raw: Tensor, clipped: Tensor, logits: Tensor
    ) -> Perturbed:
        delta, counts = clipped - x, (now - then for now, then in zip(model.counts, before))
        size, distance = length(delta, "l2"), length(delta, self.norm)
        return Perturbed(raw, clipped, goal.reached(logits), goal.gap(logits), size, distance, *counts)


class Perturbation(Attack):
    """Base of perturbations of a given size eps.

    A subclass is a frozen dataclass with settings as fields, among them `norm`, and a method `run`; it may also
    `prepare` everything that does not depend on eps.  For one prepared tensor `run` must be a deterministic function
    of eps, so that curves and bisections can evaluate several eps.  Draw all random numbers in `prepare`.
    """

    path: ClassVar[bool] = False
    """True if `run` does not evaluate the network: a path per image, continuous in eps, fixed by `prepare`."""
    ball: ClassVar[bool] = True
    """True if eps is the radius of a ball in `norm`; False for another scale (a standard deviation)."""

    @abstractmethod
    def run(
        self,
        model: Oracle,
        x: Float[Tensor, "n *image"],
        goal: Goal,
        eps: Float[Tensor, " n"],
        bounds: Bounds,
        prepared: Tensor | None,
    ) -> Float[Tensor, "n *image"]:
        """The perturbed images; they need not be feasible, since the caller projects them."""

    def prepare(
        self, model: Oracle, x: Float[Tensor, "n *image"], goal: Goal, bounds: Bounds, draws: Draws
    ) -> Tensor | None:
        """Compute everything that does not depend on eps; the first axis is the image."""
        return None

    @final
    def __call__(
        self,
        logits: Logits,
        x: Float[Tensor, "n *image"],
        y: Int[Tensor, " n"],
        eps: float | Float[Tensor, " n"],
        bounds: Bounds | None = None,
        generator: torch.Generator | None = None,
        target: Int[Tensor, " n"] | None = None,
        check: bool = True,
    ) -> Perturbed:
        """Perturb `x` by at most `eps`, and evaluate success.

        Args:
            logits: network or function from points to logits `n classes`; used in evaluation mode.
            x: `n ...` points inside the box.
            y: `n` labels.
            eps: one radius for all, or one per image; >= 0, in units of `x`.
            bounds: the box; [0, 1] by default.
            generator: source of the one random number that seeds all others; a fixed seed by default.
            target: `n` target classes; by default any class but `y` is a success.
            check: warn if images of a batch influence one another.

        Raises:
            InputError: eps negative or not finite, points outside the box, shapes or labels that do not fit.
        """
        admit(Perturbation.__call__, locals())
        bounds = Bounds() if bounds is None else bounds
        goal, radius = checked(self.norm, x, y, eps, bounds, target)
        function, x = function_of(logits), at_least_single(x)
        model = Oracle(function)
        with borrowed(function):
            x = bounds.clip(x.detach())
            if check:
                watch(function, x)
            prepared = self.prepare(model, x, goal, bounds, Draws.of(generator, len(x)))
            return self.perturb(model, x, goal, radius, bounds, prepared)

    @final
    def perturb(
        self,
        model: Oracle,
        x: Float[Tensor, "n *image"],
        goal: Goal,
        eps: Float[Tensor, " n"],
        bounds: Bounds,
        prepared: Tensor | None,
    ) -> Perturbed:
        """`__call__` without the checks of the input, for loops that call it thousands of times."""
        before = model.counts
        raw = self.run(model, x, goal, eps, bounds, prepared).detach()
        clipped = project(x, raw, eps, self.norm, bounds) if self.ball else bounds.clip(raw)
        with torch.no_grad():
            found = model(clipped)
        return self._evaluated(model, before, x, goal, raw, clipped, found)


def at_least_single(x: Tensor) -> Tensor:
    """Images in half precision as float32: attacks project and round in it."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def checked(
    norm: str,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    bounds: Bounds,
    target: Tensor | None,
) -> tuple[Goal, Tensor]:
    """Check the inputs of an attack; return the goal and eps per image in float64."""
    check_norm(norm)
    if not x.is_floating_point() or x.ndim < 2 or x.numel() == 0:
        raise InputError("not a batch of images", got=f"{tuple(x.shape)} of {x.dtype}", wanted="floats, n ...")
    n = len(x)
    if not bounds.contains(x):  # NaN is in no box
        raise InputError(
            "images lie outside the box",
            got=f"{float(x.min()):.4g} .. {float(x.max()):.4g}",
            wanted=f"{bounds.lower} .. {bounds.upper}",
            fix="scale the images, or pass the box they live in as bounds=Bounds(lower, upper)",
        )
    for name, labels in (("labels", y), ("targets", target)):
        if labels is not None and (labels.shape != (n,) or labels.is_floating_point() or int(labels.min()) < 0):
            raise InputError(
                f"{name} do not fit the images",
                got=f"{tuple(labels.shape)} of {labels.dtype}",
                wanted=f"({n},) integers >= 0",
            )
    if target is not None and bool((target == y).any()):
        raise InputError("a target is the image's own label", wanted="target != y for every image")
    radius = torch.as_tensor(eps, dtype=torch.float64, device=x.device)
    if radius.shape not in ((), (n,)):
        raise InputError("eps has the wrong shape", got=tuple(radius.shape), wanted=f"a number or ({n},)")
    if not bool((torch.isfinite(radius) & (radius >= 0)).all()):
        raise InputError(
            "eps is not a size",
            got=f"{float(radius.min())} .. {float(radius.max())}",
            wanted="finite numbers >= 0",
        )
    device = x.device
    goal = Goal(y.to(device).long(), None if target is None else target.to(device).long())
    return goal, radius.expand(n)
