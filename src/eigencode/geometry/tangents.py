"""`tangents(code, images)`: how fast and how straight a code moves along the data, beside random directions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.inputs import at_least
from eigencode.base.progress import progress
from eigencode.base.record import Estimate, Record, host
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.geometry._intervals import median_estimate
from eigencode.geometry._products import Function, image_directions, linearised
from eigencode.geometry._trust import PROBED, units_of
from eigencode.geometry.jacobian import jacobian_norm
from eigencode.representation._foreign import watch
from eigencode.representation._modes import borrowed
from eigencode.representation.at import Code, representation_of

KINDS = ("neighbour", "shift right", "shift down", "rotation")
"""Directions along the data: to the nearest other image of the same class, and small movements of the image."""

STEP = 0.25
"""Half the movement, in pixels, of which a tangent is the difference; that of the corners for a rotation."""

UNMOVED = 1e-6
"""A difference below this fraction of the image is rounding: the image has no such tangent."""

ROWS = 1000
"""Rows of a matrix of distances in memory."""

Path = Callable[[float], Tensor]
"""Points of a batch on their paths, from 0 to 1."""


@dataclass(frozen=True)
class Tangents(Record):
    """Derivatives of a code along unit tangents of the images and along random directions; lengths along paths.

    Attributes:
        derivative: ‖J t‖ per kind and image, ‖t‖₂ = 1; NaN where the image has no such tangent.
        random: root mean square of ‖J v‖ over `directions` random unit vectors v, per image.
        mean: the same over all directions, ‖J‖_F / √inputs.
        arc: length of the code along the path, divided by its chord, per kind and image; 1 for a straight line, NaN
            if the code does not move.
        arc_of_points: the same of the path itself; 1 for `neighbour`.
        kinds: names of the tangents and paths, in order.
        place, space: of the representation and of its points; "" and "pixel" for a plain function.
        units, inputs: shape of each Jacobian.
        steps, shift, angle: of the paths; pixels and degrees.
        seed: of the random directions; an image has the same ones in any batch.
        groups: number of the group of each image, over which the intervals are; None: images are independent.
    """

    derivative: Float[Tensor, "kind image"]
    random: Float[Tensor, " image"]
    mean: Float[Tensor, " image"]
    arc: Float[Tensor, "kind image"]
    arc_of_points: Float[Tensor, "kind image"]
    kinds: tuple[str, ...]
    place: str
    space: str
    units: int
    inputs: int
    directions: int
    steps: int
    shift: float
    angle: float
    seed: int
    groups: Int[Tensor, " image"] | None = None

    def ratios(self, kind: str = "random") -> Float[Tensor, " image"]:
        """‖J t‖ per image in units of the mean over all directions; `kind`: one of `kinds`, or "random"."""
        return (self.random if kind == "random" else self.derivative[self._row(kind)]) / self.mean

    def ratio(self, kind: str = "random") -> Estimate:
        """Median of `ratios` over the images that have one, with a 95 % interval of order statistics."""
        return self._median(self.ratios(kind))

    def arc_length(self, kind: str, of_points: bool = False) -> Estimate:
        """Median of `arc`, or of `arc_of_points`, over the images that have one, with a 95 % interval."""
        return self._median((self.arc_of_points if of_points else self.arc)[self._row(kind)])

    def _row(self, kind: str) -> int:
        if kind not in self.kinds:
            raise InputError("no such tangent", got=kind, wanted=", ".join(self.kinds))
        return self.kinds.index(kind)

    def _median(self, values: Tensor) -> Estimate:
        known = ~values.isnan()
        if not bool(known.any()):
            return Estimate(math.nan, n=0, method="no image has one")
        return median_estimate(values[known], None if self.groups is None else self.groups[known])


def tangents(
    code: nn.Module | Callable[[Tensor], Tensor],
    images: Images | Array,
    kinds: Sequence[str] = KINDS,
    *,
    directions: int = 10,
    steps: int = 20,
    shift: float = 1.0,
    angle: float = 10.0,
    batch_size: int = 500,
    seed: int = 0,
) -> Tangents:
    """Measure how fast and how straight a code moves along the data, beside random directions.

    A code may be smooth where the data is and not elsewhere, or the reverse.  For each image x and each kind of tangent
    t, with ‖t‖₂ = 1 in the space of the code, the derivative is ‖J t‖ with J = ∂z/∂x.  It is compared with random
    directions and with the root mean square over all directions, ‖J‖_F / √d for d inputs.  A path leads from the image
    in the direction of the tangent; Σ ‖z_k+1 − z_k‖ / ‖z_end − z_0‖ is 1 if its image is a straight line.

    Args:
        code: `ec.at(net, place, space)`; a module (its logits); or any function of images, one row per image.  It
            runs in evaluation mode and is left unchanged.
        images: images with labels, `N C H W` in [0, 1]; for a code in unit space they are scaled by the network's
            `norm` first.
        kinds: "neighbour": towards the nearest different image of the same class, on a straight line.  "shift right",
            "shift down": movement by `shift` pixels; "rotation": by `angle` degrees about the centre; both by bilinear
            interpolation, with the border repeated.
        directions: random unit vectors per image, >= 1.
        steps: parts of a path, >= 1; the length of a curved one is that of the polygon, so too small by a relative
            error of the order of 1 / steps².
        shift, angle: length of the paths; > 0.
        batch_size: images at a time.
        seed: of the random directions.

    Returns:
        `Tangents`; `ratio(kind)` and `arc_length(kind)` are medians over images with intervals.

    Raises:
        InputError: images without labels, no kind or an unknown one, a setting out of range, images of a single row or
            column, or a network without second derivatives.

    Example:
        >>> images = Images(torch.rand(8, 1, 5, 5).clamp_min(0.01), torch.arange(8) % 2)
        >>> found = tangents(lambda x: 3 * x.flatten(1), images)
        >>> [round(float(found.ratio(kind)), 4) for kind in found.kinds]
        [1.0, 1.0, 1.0, 1.0]
        >>> round(float(found.arc_length("neighbour")), 4)
        1.0

    Source: the derivative along transformations of the image is that of Simard, LeCun, Denker and Victorri 1998,
    "Transformation invariance in pattern recognition"; the curvature of natural paths is treated by Hénaff, Goris and
    Simoncelli 2019, Nature Neuroscience 22, 984.
    Differs from `jacobian_norm`, which covers all directions at once: the root mean square over directions, times √d.
    """
    admit(tangents, locals())
    images = Images.of(images)
    _check(kinds, images.shape, shift, angle)
    at_least(1, directions=directions, steps=steps, batch_size=batch_size)
    function = representation_of(code)
    with borrowed(function), torch.no_grad():
        x = function.points(images.x) if isinstance(function, Code) else images.x
        watch(function, x[: min(PROBED, batch_size)], batch_size, refuse=True)
        units = units_of(function, x[:1])
        ends = x[nearest(x, images.y)] if "neighbour" in kinds else x
        parts = []
        for first in progress(range(0, len(x), batch_size), "tangents"):
            batch, end = x[first : first + batch_size], ends[first : first + batch_size]
            paths = {kind: _path(kind, batch, end, shift, angle) for kind in kinds}
            parts.append([
                *_derivatives(function, batch, [_tangent(kind, batch, end) for kind in kinds], directions, seed, first),
                *_lengths(function, [paths[kind] for kind in kinds], steps),
            ])  # fmt: skip
    derivative, random, arc, arc_of_points = (torch.cat(column, -1) for column in zip(*parts, strict=True))
    norm = jacobian_norm(code, x, points=True, batch_size=batch_size, seed=seed)
    return Tangents(
        *(derivative, random, norm.value / math.sqrt(norm.inputs), arc, arc_of_points, tuple(kinds)),
        *((function.place, function.space) if isinstance(function, Code) else ("", "pixel")),
        units=units,
        inputs=norm.inputs,
        directions=directions,
        steps=steps,
        shift=float(shift),
        angle=float(angle),
        seed=seed,
        groups=None if images.groups is None else images.groups.cpu(),
    )


def _check(kinds: Sequence[str], shape: tuple[int, int, int], shift: float, angle: float) -> None:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds or len(set(kinds)) < len(kinds) or isinstance(kinds, str):
        raise InputError("unknown tangents", got=kinds, wanted=f"some of {', '.join(KINDS)}, each once")
    if not (0 < shift < math.inf and 0 < angle < math.inf):
        raise InputError("a path without a length", got=f"shift={shift}, angle={angle}", wanted="numbers > 0")
    if min(shape[1:]) < 2 and set(kinds) != {"neighbour"}:
        raise InputError("images that cannot be moved", got=shape, wanted="at least 2 x 2 pixels")


def nearest(x: Float[Tensor, "images *image"], y: Int[Tensor, " images"]) -> Int[Tensor, " images"]:
    """Number of the nearest different image of the same class, in L2; an image without one has its own number.

    >>> nearest(torch.tensor([[0.0], [1.0], [5.0], [5.0], [9.0]]), torch.tensor([0, 0, 0, 0, 1])).tolist()
    [1, 0, 1, 1, 4]
    """
    found = torch.arange(len(x), device=x.device)
    for label in torch.unique(y):
        rows = (y == label).nonzero()[:, 0].to(x.device)
        z = x[rows].flatten(1).double()
        for some in torch.split(torch.arange(len(rows), device=x.device), ROWS):
            distance = torch.cdist(z[some], z, compute_mode="donot_use_mm_for_euclid_dist")
            least = distance.masked_fill(distance == 0, torch.inf).min(1)
            known = least.values.isfinite()
            found[rows[some[known]]] = rows[least.indices[known]]
    return found


def moved(
    x: Float[Tensor, "n c h w"], right: float = 0.0, down: float = 0.0, angle: float = 0.0
) -> Float[Tensor, "n c h w"]:
    """Images rotated clockwise by `angle` radians about their centre, then shifted by pixels; the border is repeated.

    >>> moved(torch.tensor([[[[1.0, 3.0, 5.0], [1.0, 3.0, 5.0]]]]), right=0.5)[0, 0, 0].tolist()
    [1.0, 2.0, 4.0]
    """
    h, w = x.shape[-2:]
    v = torch.arange(h, dtype=torch.float64, device=x.device)[:, None] - (h - 1) / 2 - down
    u = torch.arange(w, dtype=torch.float64, device=x.device) - (w - 1) / 2 - right
    c, s = math.cos(angle), math.sin(angle)
    source = torch.stack([(c * u + s * v) * 2 / (w - 1), (c * v - s * u) * 2 / (h - 1)], dim=-1)
    grid = source.to(x.dtype).expand(len(x), -1, -1, -1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _tangent(kind: str, x: Tensor, end: Tensor) -> Float[Tensor, "n *image"]:
    """Unit tangents; NaN where the image does not move."""
    if kind == "neighbour":
        t = end - x
    elif kind == "rotation":
        turn = STEP / (math.hypot(*x.shape[-2:]) / 2)
        t = moved(x, angle=turn) - moved(x, angle=-turn)
    else:
        side = kind.removeprefix("shift ")
        t = moved(x, **{side: STEP}) - moved(x, **{side: -STEP})
    length = _length(t)
    length = torch.where(length > UNMOVED * _length(x), length, torch.nan)
    return (t / length.reshape(-1, *[1] * (x.ndim - 1))).to(x.dtype)


def _path(kind: str, x: Tensor, end: Tensor, shift: float, angle: float) -> Path:
    if kind == "neighbour":
        return lambda share: x + share * (end - x)
    if kind == "rotation":
        return lambda share: moved(x, angle=math.radians(share * angle))
    side = kind.removeprefix("shift ")
    return lambda share: moved(x, **{side: share * shift})


def _derivatives(
    function: Function, x: Tensor, along: list[Tensor], directions: int, seed: int, first: int
) -> tuple[Float[Tensor, "kind n"], Float[Tensor, " n"]]:
    """‖J t‖ of every tangent, and the root mean square of ‖J v‖ over random directions."""
    try:
        with torch.enable_grad():  # which recurrent layers keep what a derivative needs for
            _, _, push = linearised(function, x)
            push(torch.zeros_like(x))
    except RuntimeError as failure:  # recurrent layers, checkpoints, fused attention
        raise InputError(
            "the representation has no second derivatives, which derivatives along directions need",
            got=str(failure).split("\n")[0][:200],
            wanted="a network without recurrent layers, checkpoints or fused attention",
        ) from failure

    def speed(t: Tensor) -> Tensor:
        with torch.enable_grad():
            return _length(push(t))

    draw = image_directions(stream(seed, "tangents").initial_seed(), first, len(x))
    squares = sum(
        (speed(draw(k, x.flatten(1)).reshape(x.shape)).square() for k in range(directions)),
        torch.zeros(len(x), dtype=torch.float64, device=x.device),
    )
    known = [t.nan_to_num(0.0) for t in along]
    derivative = torch.stack([
        torch.where(t.flatten(1).isnan().any(1), torch.nan, speed(k)) for t, k in zip(along, known, strict=True)
    ])  # fmt: skip
    return host(derivative), host((squares / directions).sqrt())


def _lengths(function: Function, paths: list[Path], steps: int) -> tuple[Tensor, Tensor]:
    """Arc over chord along every path, of the code and of the points: kinds x images each."""
    code, points = zip(*(_of_path(function, path, steps) for path in paths), strict=True)
    return host(torch.stack(code)), host(torch.stack(points))


def _of_path(function: Function, path: Path, steps: int) -> tuple[Tensor, Tensor]:
    start = before = path(0.0)
    z_start = z_before = function(before).flatten(1).double()
    arc, z_arc = torch.zeros_like(_length(start)), torch.zeros_like(_length(start))
    for step in range(1, steps + 1):
        x = path(step / steps)
        z = function(x).flatten(1).double()
        arc, z_arc = arc + _length(x - before), z_arc + _length(z - z_before)
        before, z_before = x, z
    chord = torch.where((c := _length(before - start)) > UNMOVED * _length(start), c, torch.nan)
    return torch.where(chord.isnan(), torch.nan, z_arc / _length(z_before - z_start)), arc / chord


def _length(x: Tensor) -> Float[Tensor, " n"]:
    length: Tensor = torch.linalg.vector_norm(x.flatten(1).double(), dim=1)
    return length
