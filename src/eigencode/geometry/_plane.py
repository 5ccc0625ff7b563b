"""Two-dimensional planes through the space of images."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane x0 + ε u + ξ v with orthonormal u, v (in L2 over all coordinates of an image)."""

    x0: Float[Tensor, "*image"]
    u: Float[Tensor, "*image"]
    v: Float[Tensor, "*image"]

    def at(self, eps: Float[Tensor, " points"], xi: Float[Tensor, " points"]) -> Float[Tensor, "points *image"]:
        """Points of the plane with these coordinates."""
        column = (-1, *[1] * self.x0.ndim)
        eps, xi = eps.to(self.x0).reshape(column), xi.to(self.x0).reshape(column)
        return self.x0 + eps * self.u + xi * self.v


def random_plane(x0: Float[Tensor, "*image"], seed: int = 0) -> Plane:
    """Plane through `x0` along two random orthonormal directions, uniform over all such planes.

    >>> plane = random_plane(torch.zeros(1, 2, 2), seed=0)
    >>> abs(float((plane.u * plane.v).sum())) < 1e-6
    True
    """
    if x0.numel() < 2:
        raise InputError("a plane needs at least two dimensions", got=x0.numel(), wanted="images of >= 2 numbers")
    pair = torch.randn(x0.numel(), 2, generator=stream(seed, "plane"), dtype=torch.float64)
    q = torch.linalg.qr(pair).Q.to(x0.device, x0.dtype)
    return Plane(x0, q[:, 0].reshape(x0.shape), q[:, 1].reshape(x0.shape))


def plane_through(
    a: Float[Tensor, "*image"], b: Float[Tensor, "*image"], c: Float[Tensor, "*image"]
) -> tuple[Plane, Float[Tensor, "3 2"]]:
    """Plane through three points, origin at `a`, u towards `b`; and the coordinates (ε, ξ) of the three.

    >>> a, b, c = torch.tensor([[0.0, 0, 0], [2, 0, 0], [1, 1, 0]])
    >>> plane_through(a, b, c)[1].tolist()
    [[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]
    """
    if not a.shape == b.shape == c.shape:
        got = ", ".join(str(tuple(point.shape)) for point in (a, b, c))
        raise InputError("three points of different shape span no plane", got=got, wanted="one shape")
    to_b, to_c = (b - a).double(), (c - a).double()
    length = float(torch.linalg.vector_norm(to_b))
    u = to_b / max(length, 1e-300)
    along = float((to_c * u).sum())
    across = to_c - along * u
    height = float(torch.linalg.vector_norm(across))
    if length == 0 or height <= 1e-6 * length:
        raise InputError("three points on one line span no plane", got=f"height {height:.3g}", wanted="a triangle")
    corners = torch.tensor([[0.0, 0.0], [length, 0.0], [along, height]], dtype=torch.float64)
    return Plane(a, u.to(a), (across / height).to(a)), corners
