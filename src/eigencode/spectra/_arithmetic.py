"""Effect of rounding inside a network on its spectrum, by comparison with a float64 copy."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.representation._modes import borrowed
from eigencode.representation.at import function_of

GROUPS, POINTS = 3, 100
DOMINATED = 3.0
"""An eigenvalue counts as rounding up to this many times the error variance along its direction."""


def arithmetic_errors(
    code: Callable[[Tensor], Any],
    x: Tensor,
    batch_size: int = 1000,
    start: Callable[[Tensor], Tensor] = lambda images: images,
) -> Any:
    """Rounding errors z − z₆₄ on up to `GROUPS` · `POINTS` images, with z₆₄ from a float64 copy of the network.

    Args:
        code: from points to responses `points units`, or to a dictionary of such.
        start: from images to the input of `code`.

    Returns:
        The errors `points units`, by name for a dictionary.  None if `code` is not a module, has only float64 weights,
        is not deterministic, or cannot be evaluated in float64.
    """
    if not isinstance(code, nn.Module) or len(x) < 2 * GROUPS:
        return None
    numbers = [t for t in (*code.parameters(), *code.buffers()) if t.is_floating_point()]
    if not numbers or all(t.dtype == torch.float64 for t in numbers):
        return None
    chosen = torch.linspace(0, len(x) - 1, min(len(x), GROUPS * POINTS)).long().to(x.device)
    parts: dict[str, list[Tensor]] = {}
    try:
        run, exact = function_of(code), function_of(copy.deepcopy(code).double())
        with torch.no_grad(), torch.random.fork_rng(), borrowed(run), borrowed(exact):
            points = [start(images) for images in torch.split(x[chosen], batch_size)]
            once, again = _named(run(points[0])), _named(run(points[0]))
            if not all(torch.equal(z, again[name]) for name, z in once.items()):
                return None
            for p in points:
                known = _named(exact(_double(p)))
                for name, z in _named(run(p)).items():
                    parts.setdefault(name, []).append((z.double() - known[name]).flatten(1))
    except Exception:  # the network cannot be copied or converted to float64: any exception is possible
        return None
    errors = {name: torch.cat(several) for name, several in parts.items()}
    errors = {name: e for name, e in errors.items() if bool(torch.isfinite(e).all())}
    return errors if "" not in parts else errors.get("")


def _named(found: Any) -> dict[str, Tensor]:
    """Responses as a dictionary; a single tensor gets the name ""."""
    return found if isinstance(found, dict) else {"": found}


def arithmetic_floor(
    values: Float[Tensor, " rank"], directions: Float[Tensor, "units rank"], errors: Float[Tensor, "points units"]
) -> float:
    """Largest eigenvalue that is dominated by rounding inside the network.

    A linear code of 64 inputs has 64 eigenvalues.  In float32 rounding adds hundreds more: they are larger than from
    rounding of the *responses* alone, and steep, so that a fit that includes them gives a wrong exponent.

    λₙ is dominated by rounding if it is at most `DOMINATED` times the variance of the errors along its direction.
    Errors proportional to the response lie along the leading directions and do not affect the tail.  The variance is
    the median over three groups of points, so that a single outlier does not count.
    """
    along = torch.stack([(group @ directions).var(0) for group in errors.to(directions).tensor_split(GROUPS)])
    decided = values[values <= DOMINATED * along.median(0).values]
    found = float(decided.max()) if len(decided) else 0.0
    return found if math.isfinite(found) else 0.0


def _double(points: Tensor) -> Tensor:
    return points.double() if points.is_floating_point() else points
