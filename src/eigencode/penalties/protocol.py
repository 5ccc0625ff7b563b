"""Base class of penalties: a differentiable scalar per training batch, without its coefficient."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError
from eigencode.base.types import Space
from eigencode.representation.at import unit_points


@dataclass(frozen=True, eq=False)
class Batch:
    """A training batch after its forward pass, made by `watch(...).batch(x, y, logits)`.

    Attributes:
        x: its images `N C H W`, or, for a loop that scales them once, points of unit space (`space="unit"`),
            flattened or not.
        logits: output of the forward pass, if the loop has it.
        places: representation at each watched place, `N units`, in the network's current mode, with its graph,
            as computed by the forward pass.
        space: of `x`.
        epoch, step: of the loop, from 0; None if unknown.
        seed: of the loop; random penalties draw from (seed, step).
    """

    net: nn.Module
    x: Float[Tensor, "n *image"]
    y: Int[Tensor, " n"] | None = None
    logits: Float[Tensor, "n classes"] | None = None
    places: Mapping[str, Tensor] = field(default_factory=dict)
    space: Space = "pixel"
    epoch: int | None = None
    step: int | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def at(self, place: str) -> Float[Tensor, "n units"]:
        """The representation at `place` from the forward pass of this batch."""
        admit(Batch.at, locals())
        if place == "logits" and self.logits is not None:
            return self.logits.flatten(1)
        if place not in self.places:
            raise InputError(
                f"the representation at {place!r} was not kept",
                got=f"kept: {', '.join(self.places) or 'nothing'}",
                wanted="a place that was watched during the forward pass",
                fix="run the forward pass inside `with penalties.watch(net, penalty) as seen:`, then seen.batch(x, y)",
            )
        return self.places[place].flatten(1)

    def points(self, space: Space) -> Float[Tensor, "n *image"]:
        """The images as points of `space`, detached, in the input shape `net.shape` of the network, if any."""
        admit(Batch.points, locals())
        if space == "pixel" and self.space == "unit":
            raise InputError(
                "a derivative by pixels needs pixels",
                got="a batch of points of unit space",
                wanted="images",
                fix="space='unit', or feed the loop with pixels (see penalties.needs_pixels)",
            )
        x = (self.x if space == self.space else unit_points(self.net, self.x)).detach()
        shape = getattr(self.net, "shape", None)
        flat = isinstance(shape, tuple) and x.ndim == 2 and x.shape[1] == math.prod(shape)
        return x.reshape(-1, *shape) if isinstance(shape, tuple) and flat else x


class Penalty(Admitted, nn.Module, ABC):
    """Base of all penalties.  A subclass defines `value(batch)`, and `prepare` if it needs the training set.

    `penalty(batch)` is a differentiable scalar; the training loop multiplies it by the coefficient:

        loss = cross_entropy(logits, y) + coefficient * penalty(batch)

    Attributes:
        place: of the penalised representation, as in `ec.at`; None for a penalty on parameters.
        watches: True if it reads `batch.at(place)`, which `watch` then keeps.
        space: space of its derivatives with respect to the images, or None; "pixel" needs batches of pixels.
        mixed: True if its matrix products may use the precision of the training (`torch.autocast`); else it is
            computed in the precision of the weights.
    """

    watches: ClassVar[bool] = False
    mixed: bool = False

    def __init__(self, place: str | None = None, space: Space | None = None) -> None:
        super().__init__()
        if space not in (None, "pixel", "unit"):
            raise InputError("unknown space", got=space, wanted="'pixel' or 'unit'")
        self.place = place
        self.space = space

    def prepare(self, net: nn.Module, x: Tensor, epoch: int | None = None, step: int | None = None) -> None:
        """Update everything that depends on the whole training set; called before every training step.

        Args:
            x: all training images in pixels, `N C H W`, float in [0, 1] or uint8.
            epoch, step: of the loop; without them every call updates, so a loop of your own can call
                `prepare(net, x)` once per epoch.
        """

    @abstractmethod
    def value(self, batch: Batch) -> Tensor:
        """The penalty of one batch, without the checks of `forward`."""

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        """The penalty of one batch, a checked scalar."""
        admit(Penalty.forward, locals())
        if len(batch) == 0:
            raise InputError(f"{type(self).__name__}: an empty batch", got=tuple(batch.x.shape), wanted=">= 1 image")
        kind = batch.x.device.type
        low = kind != "meta" and torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False) if low and not self.mixed else nullcontext():
            value = self.value(batch)
        if value.ndim != 0 or not value.is_floating_point():
            raise InputError(
                f"{type(self).__name__} is not a scalar",
                got=f"{tuple(value.shape)} of {value.dtype}",
                wanted="one floating-point number per batch",
            )
        return value

    def extra_repr(self) -> str:
        named = [f"place={self.place!r}"] if self.place is not None else []
        return ", ".join([*named, f"space={self.space!r}"] if self.space is not None else named)


Weighted = Sequence[tuple[float, Penalty]]
"""Pairs (coefficient, penalty)."""


def active(penalties: Weighted) -> list[tuple[float, Penalty]]:
    """Check the pairs and drop those with coefficient zero, which must cost nothing.

    >>> from eigencode.penalties import Lp
    >>> active([(0.0, Lp(2.0)), (1.0, Lp(1.0))])
    [(1.0, Lp(p=1, parameters='weights'))]
    """
    admit(active, locals())
    kept = []
    for pair in penalties:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError("penalties are pairs", got=pair, wanted="(coefficient, penalty)", fix="[(1.0, penalty)]")
        coefficient, penalty = pair
        if not isinstance(coefficient, int | float) or not abs(coefficient) < float("inf"):
            raise InputError("not a coefficient", got=coefficient, wanted="a finite number", fix="(1.0, penalty)")
        if coefficient == 0:
            continue
        if not isinstance(penalty, Penalty):
            raise InputError("not a penalty", got=type(penalty).__name__, wanted="a subclass of penalties.Penalty")
        kept.append((float(coefficient), penalty))
    return kept


def weighted(penalties: Weighted, batch: Batch) -> dict[str, Float[Tensor, ""]]:
    """Terms coefficient · penalty(batch) of the loss, by name, without those of coefficient zero.

    Names of several penalties of one class and place are numbered.
    """
    terms: dict[str, Tensor] = {}
    for coefficient, penalty in active(penalties):
        name = type(penalty).__name__ + (f"({penalty.place})" if penalty.place else "")
        taken = sum(key == name or key.startswith(f"{name} ") for key in terms)
        terms[f"{name} {taken + 1}" if taken else name] = coefficient * penalty(batch)
    return terms


def needs_pixels(penalties: Weighted) -> bool:
    """True if an active penalty differentiates by pixels, so that batches must not be points of unit space."""
    return any(penalty.space == "pixel" for _, penalty in active(penalties))
