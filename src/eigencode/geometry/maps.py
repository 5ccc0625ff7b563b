"""Maps on a plane: Jacobian norm, predicted class, confidence, distance to the decision boundary."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.base.errors import warn
from eigencode.base.progress import progress
from eigencode.base.record import Record, host
from eigencode.base.types import Space
from eigencode.geometry._boundary import boundary_distance
from eigencode.geometry._plan import plan, root
from eigencode.geometry._plane import Plane
from eigencode.geometry._trust import PROBED, finite, unusable
from eigencode.representation._foreign import as_logits, watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import at


@dataclass(frozen=True)
class Landscape(Record):
    """Maps of a network on the plane x0 + ε u + ξ v; the first axis of every map is ε, the second ξ.

    Attributes:
        eps, xi: coordinates along u and v, in L2 units of `space`.
        jacobian: ‖∂z/∂x‖_F of the representation at `place`.
        jacobian_error: its standard error (0 unless `method` is hutchinson).
        predicted: class with the largest logit.
        confidence: largest softmax probability.
        x0, u, v: centre and orthonormal directions, flattened; `shape` is the shape of an image.
        anchors: (ε, ξ) of the images that define the plane: the centre alone, or three.
        angle, boundary: along the ray ε = t cos(angle), ξ = t sin(angle) the prediction first changes at
            t = boundary, inf if it does not within `reach`.
        radius: half the side of a random plane's square, L2 units of `space`; `relative`: it was given in
            units of ‖x0‖₂.  For a plane through three images the longest side of the triangle.
        x0_norm: ‖x0‖₂.
        method, projections, reason, doubts: of the Jacobians, as in `JacobianNorm`.
        seed: of directions and projections.
    """

    eps: Float[Tensor, " eps"]
    xi: Float[Tensor, " xi"]
    jacobian: Float[Tensor, "eps xi"]
    jacobian_error: Float[Tensor, "eps xi"]
    predicted: Int[Tensor, "eps xi"]
    confidence: Float[Tensor, "eps xi"]
    x0: Float[Tensor, " input"]
    u: Float[Tensor, " input"]
    v: Float[Tensor, " input"]
    anchors: Float[Tensor, "anchor axis=2"]
    angle: Float[Tensor, " angle"]
    boundary: Float[Tensor, " angle"]
    shape: tuple[int, ...]
    radius: float
    reach: float
    x0_norm: float
    relative: bool
    place: str
    space: str
    method: str
    projections: int
    seed: int
    norm: str = "l2"
    reason: str = ""
    doubts: tuple[str, ...] = ()


def measure(
    net: nn.Module,
    plane: Plane,
    eps: Tensor,
    xi: Tensor,
    anchors: Tensor,
    radius: float,
    reach: float,
    relative: bool,
    rays: int,
    settings: tuple[str, Space, str, int, int, int],
) -> Landscape:
    """Compute all maps on the grid `eps` x `xi`, in batches; `settings` as in `landscape`."""
    place, space, method, projections, seed, batch_size = settings
    code, logits = at(net, place, space), at(net, "logits", space)
    grid = torch.cartesian_prod(eps, xi).reshape(-1, 2)
    squares, predicted, confidence = [], [], []
    finite(plane.x0[None])
    with borrowed(net), torch.no_grad():
        some = torch.cat([plane.x0[None], plane.at(*grid[:: max(1, len(grid) - 1)].T)])[: min(PROBED, batch_size)]
        for function in (code, logits):
            watch(function, some, batch_size, refuse=True)
        chosen = plan(code, some, len(grid), method, projections, seed)
        at_once = min(batch_size, chosen.at_once)
        for first in progress(range(0, len(grid), at_once), "landscape"):
            x = plane.at(*grid[first : first + at_once].T)
            squares.append(host(chosen.squares(x, first)))
            top = torch.softmax(as_logits(logits(x), len(x)).double(), 1).max(1)
            predicted.append(host(top.indices, torch.int64))
            confidence.append(host(top.values))
        angle = torch.arange(rays, dtype=torch.float64) * (2 * math.pi / max(1, rays))
        boundary = torch.empty(0, dtype=torch.float64)
        if rays:
            around = Plane(torch.zeros_like(plane.x0), plane.u, plane.v).at(angle.cos(), angle.sin())
            split = lambda x: torch.cat([logits(part) for part in torch.split(x, int(batch_size))])  # noqa: E731
            boundary = host(boundary_distance(split, plane.x0, around, reach))
    value, error = root(torch.cat(squares, 1))
    for said in (*unusable(value), *chosen.doubts):
        warn(said)
    size = (len(eps), len(xi))
    return Landscape(
        eps=eps,
        xi=xi,
        jacobian=value.reshape(size),
        jacobian_error=(error if chosen.projections else torch.zeros_like(value)).reshape(size),
        predicted=torch.cat(predicted).reshape(size),
        confidence=torch.cat(confidence).reshape(size),
        x0=host(plane.x0.flatten()),
        u=host(plane.u.flatten()),
        v=host(plane.v.flatten()),
        anchors=anchors,
        angle=angle,
        boundary=boundary,
        shape=tuple(plane.x0.shape),
        radius=radius,
        reach=reach,
        x0_norm=float(torch.linalg.vector_norm(plane.x0.double())),
        relative=relative,
        place=place,
        space=space,
        method=chosen.method,
        projections=chosen.projections,
        seed=seed,
        reason=chosen.reason,
        doubts=chosen.doubts,
    )
