"""Choose a method for the Jacobian norms of many points, then compute them batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.geometry._closed import ClosedForm, closed_form
from eigencode.geometry._products import exact_squares, flattened, projected_squares

Method = Literal["auto", "closed", "exact", "hutchinson"]

CHEAP = 100_000
"""Largest number of Jacobian rows over all points for which `auto` is exact (10 000 images x 10 logits)."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Chosen computation of ‖J‖²_F of one representation: `method` is closed, exact or hutchinson."""

    code: Callable[[Tensor], Tensor]
    method: str
    form: ClosedForm | None
    projections: int
    units: int
    seed: int

    def squares(self, x: Float[Tensor, "points *image"], first: int = 0) -> Float[Tensor, "estimates points"]:
        """‖J‖²_F of points `first`, `first + 1`, ...: one independent estimate per projection, or one exact value."""
        if self.form is not None:
            return self.form.squares(x)[None]
        if self.method == "exact":
            return exact_squares(self.code, x)[None]
        generator = stream(self.seed, "hutchinson", first, device=x.device)
        return projected_squares(self.code, x, self.projections, generator)


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
        return Plan(code, "closed", form, 0, len(form.layer.weight), seed)
    units, inputs = flattened(code)(some[:1]).shape[1], some[0].numel()
    if method == "exact" or (method == "auto" and count * min(units, inputs) <= CHEAP):
        return Plan(code, "exact", None, 0, units, seed)
    if projections < 1:
        raise InputError("no random vectors to project on", got=projections, wanted="projections >= 1")
    return Plan(code, "hutchinson", None, projections, units, seed)


def root(squares: Float[Tensor, "estimates points"]) -> tuple[Float[Tensor, " points"], Float[Tensor, " points"]]:
    """‖J‖ and its standard error from estimates of ‖J‖²: se(√S) = se(S) / 2√S.

    The error of a single row is NaN; the caller sets it to zero for exact values.
    """
    value = squares.mean(0).clamp_min(0).sqrt()
    if len(squares) == 1:
        return value, value * float("nan")
    error = squares.std(0) / len(squares) ** 0.5
    return value, error / (2 * value).clamp_min(1e-300)
