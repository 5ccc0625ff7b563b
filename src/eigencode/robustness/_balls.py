"""Norms, projections and random points of L∞, L2 and L1 balls, with one radius per image."""

import math
import typing
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Bounds, Norm
from eigencode.robustness._draws import Draws

NORMS: tuple[str, ...] = typing.get_args(Norm)

DUAL: dict[str, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf"}
"""Dual norms, 1/p + 1/q = 1: the largest change of a linear function is the dual norm of its gradient."""


def diameter(norm: Norm, inputs: int) -> float:
    """Distance between opposite corners of the box [0, 1]^inputs."""
    return {"linf": 1.0, "l2": math.sqrt(inputs), "l1": float(inputs)}[norm]


def check_norm(norm: str) -> None:
    """Raise `InputError` unless `norm` is one of linf, l2, l1."""
    if norm not in NORMS:
        raise InputError("unknown norm", got=norm, wanted=f"one of {', '.join(NORMS)}")


def length(delta: Float[Tensor, "n *image"], norm: Norm) -> Float[Tensor, " n"]:
    """Norm of the perturbation of each image, in float64.

    >>> length(torch.tensor([[3.0, -4.0]]), "l2"), length(torch.tensor([[3.0, -4.0]]), "l1")
    (tensor([5.], dtype=torch.float64), tensor([7.], dtype=torch.float64))
    """
    flat = delta.flatten(1)
    if norm == "linf":
        return flat.abs().amax(1).double()
    if norm == "l1":
        return flat.abs().sum(1, dtype=torch.float64)
    size: Tensor = torch.linalg.vector_norm(flat, dim=1, dtype=torch.float64)
    return size


def reach(x: Float[Tensor, "n *image"], eps: float, norm: Norm, bounds: Bounds) -> Float[Tensor, " n"]:
    """The largest L2 norm that a perturbation within `eps` (in `norm`) and inside the box can have.

    >>> x = torch.tensor([[0.5, 1.0]])
    >>> reach(x, 0.3, "linf", Bounds()), reach(x, 9.0, "l2", Bounds())
    (tensor([0.4243], dtype=torch.float64), tensor([1.1180], dtype=torch.float64))
    """
    corner = torch.maximum(bounds.upper - x, x - bounds.lower)
    if norm == "linf":
        return length(corner.clamp_max(eps), "l2")
    return length(corner, "l2").clamp_max(eps)


def per_image(values: Float[Tensor, " n"], like: Tensor) -> Tensor:
    """Reshape `values`, one per image, to broadcast over the images `like`, and convert to their type."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def unit(delta: Float[Tensor, "n *image"], norm: Norm) -> Float[Tensor, "n *image"]:
    """Normalise each perturbation to norm 1; zero stays zero, without NaN for tiny numbers."""
    largest = length(delta, "linf")
    scaled = delta / per_image(torch.where(largest > 0, largest, 1.0), delta)
    size = length(scaled, norm)
    return scaled / per_image(torch.where(size > 0, size, 1.0), delta)


def fill(
    x: Float[Tensor, "n *image"], slope: Float[Tensor, "n *image"], eps: Float[Tensor, " n"], bounds: Bounds
) -> Float[Tensor, "n *image"]:
    """Maximise a linear function with gradient `slope` over the box within L1 distance `eps` of `x`.

    Pixels are moved to the bound of the box one after the other, steepest first, until eps is used up.

    >>> x = torch.tensor([[0.5, 0.5, 0.5]])
    >>> fill(x, torch.tensor([[1.0, -3.0, 0.0]]), torch.tensor([0.6]), Bounds())
    tensor([[0.6000, 0.0000, 0.5000]])
    """
    g, start = slope.flatten(1), x.flatten(1).double()
    room = torch.where(g > 0, bounds.upper - start, start - bounds.lower) * (g != 0)
    order = g.abs().argsort(dim=1, descending=True, stable=True)
    sorted_room = room.gather(1, order)
    spent = sorted_room.nan_to_num(posinf=1e300).cumsum(1) - sorted_room.nan_to_num(posinf=1e300)
    step = torch.minimum((eps[:, None] - spent).clamp_min(0), sorted_room)
    moved = start + g.sign() * torch.zeros_like(room).scatter_(1, order, step)
    return moved.to(x.dtype).reshape(x.shape)


def project(
    x: Float[Tensor, "n *image"],
    point: Float[Tensor, "n *image"],
    eps: Float[Tensor, " n"],
    norm: Norm,
    bounds: Bounds,
) -> Float[Tensor, "n *image"]:
    """Project `point` onto the intersection of the box and the `eps` ball around `x`.

    L∞ and L1: the nearest point (in L2).  L2: onto the ball, then onto the box; x lies in the box, so the second
    step only shortens the perturbation; the result is in the ball but may not be the nearest point.  Coordinates are
    rounded towards `x`, so that no rounding adds up: a distance exceeds eps by a relative
    2e-7 at most, the rounding of eps to float32.
    """
    delta = point - x
    if norm == "linf":
        limit = per_image(eps, delta)
        delta = delta.clamp(-limit, limit)
    elif norm == "l2":
        size = length(delta, "l2")
        delta = delta * per_image((eps / size.clamp_min(1e-300)).clamp_max(1.0), delta)
    else:
        delta = _onto_l1(delta, eps, bounds.lower - x, bounds.upper - x)
    moved = bounds.clip(x + delta)
    return torch.where((moved - x).abs() > delta.abs(), torch.nextafter(moved, x), moved)


def _onto_l1(delta: Tensor, eps: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Project onto {‖δ‖₁ ≤ eps, low ≤ δ ≤ high}, low ≤ 0 ≤ high: δᵢ = sign(uᵢ) min(max(|uᵢ| − λ, 0), roomᵢ).

    The L1 norm falls piecewise linearly with λ; its corners are sorted and the linear piece that reaches eps is
    solved (Duchi et al. 2008 without a box; Croce and Hein 2021, arXiv 2103.01208, with one).
    """
    u = delta.flatten(1).double()
    room = torch.where(u > 0, high.flatten(1), -low.flatten(1)).double()
    size = u.abs()
    cost = torch.minimum(size, room).sum(1)
    rows = cost > eps
    if not bool(rows.any()):
        return torch.minimum(size, room).mul(u.sign()).to(delta.dtype).reshape(delta.shape)
    a, r, budget = size[rows], room[rows], eps[rows]
    # going down from λ = ∞, coordinate i starts to grow at λ = aᵢ and stops at λ = aᵢ − roomᵢ
    start, stop = a, (a - r).clamp_min(0)
    corner, order = torch.cat([start, stop], 1).sort(dim=1, descending=True)
    change = torch.cat([torch.ones_like(a), -torch.ones_like(a)], 1).gather(1, order)
    slope = change.cumsum(1)
    drop = torch.cat([corner[:, :-1] - corner[:, 1:], corner[:, -1:]], 1)
    total = (slope * drop).cumsum(1)  # the sum at the corner after this one
    piece = (total < budget[:, None]).sum(1).clamp_max(total.shape[1] - 1)[:, None]
    before = torch.where(piece > 0, total.gather(1, (piece - 1).clamp_min(0)), 0.0)
    steps = slope.gather(1, piece).clamp_min(1.0)
    level = corner.gather(1, piece) - (budget[:, None] - before) / steps
    kept = torch.minimum(size, room)
    kept[rows] = torch.minimum((a - level.clamp_min(0)).clamp_min(0), r)
    return kept.mul(u.sign()).to(delta.dtype).reshape(delta.shape)


def in_ball(draws: Draws, shape: Sequence[int], norm: Norm) -> Float[Tensor, "n starts *image"]:
    """Draw uniform points of the unit ball, of shape (starts, ...) per image.

    L∞: a cube.  L2: the first D of the D + 2 coordinates of a uniform point on a sphere.  L1: D of D + 1 exponential
    numbers over their sum, with random signs.
    """
    if norm == "linf":
        return draws.uniform(shape) * 2 - 1
    starts, inputs = shape[0], math.prod(shape[1:])
    if norm == "l2":
        g = draws.normal((starts, inputs + 2))
        return unit(g.flatten(0, 1), "l2")[:, :inputs].reshape(-1, *shape)
    u = draws.uniform((2, starts, inputs + 1))
    e = -torch.log1p(-u[:, 0])
    signs = torch.where(u[:, 1] < 0.5, -1.0, 1.0)
    return (signs * e / e.sum(-1, keepdim=True))[..., :inputs].reshape(-1, *shape)
