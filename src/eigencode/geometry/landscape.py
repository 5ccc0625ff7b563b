"""Landscapes: maps of a network on a plane through one image or three."""

import math

import torch
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.inputs import at_least, images, inputs
from eigencode.base.types import Images, Space
from eigencode.geometry._plan import Method
from eigencode.geometry._plane import plane_through, random_plane
from eigencode.geometry.maps import Landscape, measure
from eigencode.representation._declared import derivable
from eigencode.representation.at import at


def landscape(
    net: nn.Module,
    x0: Images | Array,
    place: str = "latent",
    space: Space = "unit",
    radius: float = 20.0,
    points: int = 100,
    seed: int = 0,
    *,
    relative: bool = False,
    rays: int = 72,
    method: Method = "auto",
    projections: int = 10,
    batch_size: int = 1000,
) -> Landscape:
    """Map ‖∂z/∂x‖_F, predicted class, confidence and decision boundary on a random plane through one image.

    Args:
        net: a module with logits; it is left unchanged.
        x0: one image, `C H W` (or `1 C H W`) in [0, 1]; in unit space the centre is `net.norm(x0)`.
        place: representation whose Jacobian is measured, as in `ec.at`.
        space: "unit" (the paper) or "pixel"; the space of directions, radius and derivative.
        radius: the square reaches from −radius to +radius along both directions, L2.  The paper's default
            is far from the data (a CIFAR-10 image has ‖x‖₂ <= 3.8 in unit space), so compare `relative=True`.
        points: points per axis.
        seed: of the directions (and of the projections, for hutchinson).
        relative: radius in units of ‖x0‖₂ (in `space`), e.g. `radius=1.0`.
        rays: directions in the plane along which the distance to the boundary is measured; 0 for none.
        method, projections: as in `jacobian_norm`; fewer projections, because there are many points.
        batch_size: points at a time.

    Raises:
        InputError: more than one image, NaN in it, no such place, no unit space, or an output that is not logits.

    Warns:
        EigencodeWarning: as `jacobian_norm`.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> view = landscape(net, torch.rand(1, 4, 4), place="2", space="pixel", radius=2.0, points=5)
        >>> view.jacobian.shape, view.method, view.boundary.shape
        (torch.Size([5, 5]), 'closed', torch.Size([72]))

    Source: arXiv 2405.00679, figure 4 (±20, 100 x 100 points, `relative=False`).
    """
    admit(landscape, locals())
    centre = _centre(net, x0, space)
    length = float(torch.linalg.vector_norm(centre.double()))
    half = float(radius * length if relative else radius)
    _check_square(half, f"radius {radius}", points, rays, batch_size)
    axis = torch.linspace(-half, half, points, dtype=torch.float64)
    plane = random_plane(centre, seed)
    anchors = torch.zeros(1, 2, dtype=torch.float64)
    settings = (place, space, method, projections, seed, batch_size)
    return measure(net, plane, axis, axis.clone(), anchors, half, half, relative, rays, settings)


def landscape_through(
    net: nn.Module,
    a: Images | Array,
    b: Images | Array,
    c: Images | Array,
    place: str = "latent",
    space: Space = "unit",
    points: int = 100,
    *,
    margin: float = 0.25,
    rays: int = 72,
    method: Method = "auto",
    projections: int = 10,
    batch_size: int = 1000,
    seed: int = 0,
) -> Landscape:
    """Compute the maps of `landscape` on the plane through three images: origin at `a`, u towards `b`.

    The square covers the three images and `margin` times the longest side of their triangle around them; the rays
    start at `a` and reach to the farthest corner.  Other arguments as in `landscape`.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> view = landscape_through(net, *torch.rand(3, 1, 4, 4), place="2", space="pixel", points=5)
    >>> view.anchors.shape, float(view.anchors[0].sum())
    (torch.Size([3, 2]), 0.0)
    """
    admit(landscape_through, locals())
    plane, anchors = plane_through(*(_centre(net, image, space) for image in (a, b, c)))
    longest = float(torch.pdist(anchors).max())
    low, high = anchors.amin(0), anchors.amax(0)
    half = float((high - low).max()) / 2 + margin * longest
    middle = (low + high) / 2
    _check_square(half, f"margin {margin}", points, rays, batch_size)
    axis = torch.linspace(-half, half, points, dtype=torch.float64)
    reach = math.hypot(*(middle.abs() + half).tolist())
    settings = (place, space, method, projections, seed, batch_size)
    return measure(net, plane, axis + middle[0], axis + middle[1], anchors, longest, reach, False, rays, settings)


def _check_square(half: float, size: str, points: int, rays: int, batch_size: int) -> None:
    at_least(1, points=points, batch_size=batch_size)
    at_least(0, rays=rays)
    if not 0 < half < math.inf:
        raise InputError("the square is empty or infinite", got=size, wanted="a finite size > 0")


def _centre(net: nn.Module, given: Images | Array, space: Space) -> Tensor:
    x0 = inputs(given, "x0")
    image = x0[0] if x0.ndim == 4 and len(x0) == 1 else x0
    if image.ndim > 3:
        raise InputError("a landscape has one centre", got=tuple(x0.shape), wanted="one image C H W", fix="x[0]")
    image = images(image[None], "x0")[0]
    derivable(image[None])
    with torch.no_grad():
        return at(net, "logits", space).points(image[None])[0]
