"""What the arithmetic inside a network adds to its spectrum, measured by evaluating it once more in float64."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.representation.modes import borrowed

GROUPS, POINTS = 3, 100
DOMINATED = 3.0
"""An eigenvalue is rounding if it is at most this many times the variance of the errors along its direction."""


def arithmetic_errors(
    code: Callable[[Tensor], Any],
    x: Tensor,
    batch_size: int = 1000,
    start: Callable[[Tensor], Tensor] = lambda images: images,
) -> Any:
    """z − z₆₄ at up to `GROUPS` times `POINTS` of the images, z₆₄ of a copy of the network in float64.

    Args:
        code: from points to responses `points units`, or to a dictionary of such.
        x: images.
        batch_size: images at a time.
        start: from images to the points that `code` takes.

    Returns:
        The errors `points units`, for a dictionary by name; None for what is no module, has no weights below float64,
        gives other numbers when it is asked twice, or cannot be evaluated in float64.
    """
    if not isinstance(code, nn.Module) or len(x) < 2 * GROUPS:
        return None
    numbers = [t for t in (*code.parameters(), *code.buffers()) if t.is_floating_point()]
    if not numbers or all(t.dtype == torch.float64 for t in numbers):
        return None
    chosen = torch.linspace(0, len(x) - 1, min(len(x), GROUPS * POINTS)).long().to(x.device)
    parts: dict[str, list[Tensor]] = {}
    try:
        exact = copy.deepcopy(code).double()
        with torch.no_grad(), torch.random.fork_rng(), borrowed(code), borrowed(exact):
            points = [start(images) for images in torch.split(x[chosen], batch_size)]
            once, again = _named(code(points[0])), _named(code(points[0]))
            if not all(torch.equal(z, again[name]) for name, z in once.items()):
                return None
            for p in points:
                known = _named(exact(_double(p)))
                for name, z in _named(code(p)).items():
                    parts.setdefault(name, []).append((z.double() - known[name]).flatten(1))
    except Exception:  # a network that insists on its own type, or cannot be copied: anything may come
        return None
    errors = {name: torch.cat(several) for name, several in parts.items()}
    errors = {name: e for name, e in errors.items() if bool(torch.isfinite(e).all())}
    return errors if "" not in parts else errors.get("")


def _named(found: Any) -> dict[str, Tensor]:
    return found if isinstance(found, dict) else {"": found}


def arithmetic_floor(
    values: Float[Tensor, " rank"], directions: Float[Tensor, "units rank"], errors: Float[Tensor, "points units"]
) -> float:
    """The largest eigenvalue that rounding inside the network decides.

    A linear code of 64 inputs has 64 eigenvalues; evaluated in float32, the sums of its products are rounded, and
    hundreds of eigenvalues follow that are no more than that: above what rounding of the *responses* alone would
    leave, and steep, so that a fit across the edge finds an exponent that is not the code's.

    λₙ is decided by rounding if it is at most `DOMINATED` times the variance of the errors along its own direction:
    errors that grow with the response lie along the leading directions and do not reach the tail.  The variance is
    the median over three groups of points, so that one threshold crossed by rounding does not count.
    """
    along = torch.stack([(group @ directions).var(0) for group in errors.to(directions).tensor_split(GROUPS)])
    decided = values[values <= DOMINATED * along.median(0).values]
    found = float(decided.max()) if len(decided) else 0.0
    return found if math.isfinite(found) else 0.0


def _double(points: Tensor) -> Tensor:
    return points.double() if points.is_floating_point() else points
