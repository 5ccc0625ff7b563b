"""Choose a method for the Jacobian norms of many points, then compute them batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.geometry._closed import ClosedForm, closed_form
from eigencode.geometry._cost import Cost, cost
from eigencode.geometry._products import Way, exact_squares, exact_way, image_directions, projected_squares
from eigencode.geometry._trust import disagreement, units_of

Method = Literal["auto", "closed", "exact", "hutchinson"]

CHEAP = 100_000
"""Largest number of derivatives over all points for which `auto` is exact (10 000 images x 10 logits)."""

OPERATIONS = 2 * 10**11
"""Largest number of floating-point operations for which it is: seconds on a processor."""

WORTH = 2
"""Derivatives that an exact norm is worth, in projections."""

HELD = 2**28
"""Largest number of activations of a batch in memory: 1 GiB of float32."""

BACKWARD = 2
"""Operations of a derivative, in those of an evaluation."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Chosen computation of ‖J‖²_F of one representation: `method` is closed, exact or hutchinson.

    Attributes:
        reason: for the method, in words.
        doubts: sentences about the derivative of the representation.
        at_once: points at a time that fit into memory.
    """

    code: Callable[[Tensor], Tensor]
    method: str
    reason: str
    units: int
    form: ClosedForm | None = None
    projections: int = 0
    seed: int = 0
    way: Way = "rows"
    widest: int = 1
    at_once: int = HELD
    doubts: tuple[str, ...] = ()

    def squares(self, x: Float[Tensor, "points *image"], first: int = 0) -> Float[Tensor, "estimates points"]:
        """‖J‖²_F of points `first`, `first + 1`, ...: one independent estimate per projection, or one exact value."""
        if self.form is not None:
            return self.form.squares(x)[None]
        if self.method == "exact":
            return exact_squares(self.code, x, self.way, self.widest)[None]
        source = stream(self.seed, "hutchinson").initial_seed()
        return projected_squares(self.code, x, self.projections, image_directions(source, first, len(x)))


def plan(
    code: Callable[[Tensor], Tensor],
    some: Float[Tensor, "some *image"],
    count: int,
    method: str,
    projections: int,
    seed: int,
) -> Plan:
    """Choose the method for `count` points, given `some` of them; `InputError` if `method` is not possible."""
    if method not in ("auto", "closed", "exact", "hutchinson"):
        raise InputError("unknown method", got=method, wanted="auto, closed, exact or hutchinson")
    form = closed_form(code, some) if method in ("auto", "closed") else None
    if method == "closed" and form is None:
        raise InputError(
            "no closed form for this representation",
            wanted="one layer relu(Ax + b)^n of an nn.Sequential, or of a network that computes its `as_layers`",
            fix="use method='exact' or method='hutchinson'",
        )
    if form is not None:
        return Plan(code, "closed", "one layer with a closed form", len(form.layer.weight), form)
    units = units_of(code, some[:1])
    doubts = disagreement(code, some)
    price = cost(code, some[:1])
    held = max(1, HELD // price.numbers)
    way, derivatives = exact_way(code, some[:1]) if method in ("auto", "exact") else ("rows", 0)
    reason = _why_exact(method, count, derivatives, projections, price)
    if reason:
        return Plan(code, "exact", reason, units, way=way, widest=price.widest, at_once=held, doubts=doubts)
    if projections < 1:
        raise InputError("no random vectors to project on", got=projections, wanted="projections >= 1")
    asked = "asked for" if method == "hutchinson" else f"{derivatives} derivatives per point would cost too much"
    return Plan(code, "hutchinson", asked, units, None, projections, seed, at_once=held, doubts=doubts)


def _why_exact(method: str, count: int, derivatives: int, projections: int, price: Cost) -> str:
    """Why the exact derivative is computed; "" if it is not."""
    if method != "auto":
        return "asked for" if method == "exact" else ""
    if derivatives <= WORTH * projections:
        return f"{derivatives} derivatives per point, at most {WORTH} times the projections"
    work = count * derivatives * BACKWARD * price.operations
    if count * derivatives <= CHEAP and work <= OPERATIONS:
        return f"{count} x {derivatives} derivatives, {work:.2g} operations"
    return ""


def root(squares: Float[Tensor, "estimates points"]) -> tuple[Float[Tensor, " points"], Float[Tensor, " points"]]:
    """‖J‖ and its standard error from estimates of ‖J‖²: se(√S) = se(S) / 2√S.

    The error of a single row is NaN; the caller sets it to zero for exact values.
    """
    value = squares.mean(0).clamp_min(0).sqrt()
    if len(squares) == 1:
        return value, value * float("nan")
    error = squares.std(0) / len(squares) ** 0.5
    return value, error / (2 * value).clamp_min(1e-300)
