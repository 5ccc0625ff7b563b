"""Effect of rounding inside a network on its spectrum, by comparison with a float64 copy."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.seeding import stream
from eigencode.representation._modes import borrowed, kinds_of
from eigencode.representation.at import function_of

GROUPS, POINTS = 3, 100
FAR = 1e4
"""Changes of a response, in units in its last place, that are no rounding any more."""

DOMINATED = 3.0
"""An eigenvalue counts as rounding up to this many times the error variance along its direction."""


def arithmetic_errors(
    code: Callable[[Tensor], Any],
    x: Tensor,
    batch_size: int = 1000,
    start: Callable[[Tensor], Tensor] = lambda images: images,
) -> Any:
    """Rounding errors of a network on up to `GROUPS` · `POINTS` images.

    They are z − z₆₄, with z₆₄ from a float64 copy of the network, or of a function that takes float64.  Where there is
    none (a function around a network, a network that cannot be copied or casts to float32), they are the changes of z
    under changes of the pixels in their last digits, divided by √2: two evaluations round differently.

    Args:
        code: from points to responses `points units`, or to a dictionary of such.
        start: from images to the input of `code`.

    Returns:
        The errors `points units`, by name for a dictionary.  None if `code` has only float64 weights, is not
        deterministic, or fails.
    """
    if len(x) < 2 * GROUPS:
        return None
    run = function_of(code)
    kinds = set(kinds_of(run))
    if kinds == {torch.float64}:
        return None
    chosen = torch.linspace(0, len(x) - 1, min(len(x), GROUPS * POINTS)).long().to(x.device)
    try:
        with torch.no_grad(), torch.random.fork_rng(), borrowed(run):
            points = [start(images) for images in torch.split(x[chosen], batch_size)]
            known = [_named(run(p)) for p in points]
            again = _named(run(points[0]))
            if not all(torch.equal(z, again[name]) for name, z in known[0].items()):
                return None
            found = _from_double(code, points, known)
            if found is None:
                found = _from_last_digits(run, points, known, kinds)
    except Exception:  # any exception is possible
        return None
    errors = {name: torch.cat([part[name].flatten(1) for part in found]) for name in known[0]}
    errors = {name: e for name, e in errors.items() if bool(torch.isfinite(e).all())}
    return errors if "" not in known[0] else errors.get("")


def _from_double(
    code: Callable[[Tensor], Any], points: list[Tensor], known: list[dict[str, Tensor]]
) -> list[dict[str, Tensor]] | None:
    """z − z₆₄, by name and batch; None if nothing here computes in float64."""
    try:
        exact = function_of(copy.deepcopy(code).double() if isinstance(code, nn.Module) else code)
        with borrowed(exact):
            wanted = [_named(exact(_double(p))) for p in points]
    except Exception:  # the network cannot be copied or converted to float64: any exception is possible
        return None
    if any(z.dtype != torch.float64 for batch in wanted for z in batch.values()):
        return None
    return [{name: z.double() - two[name] for name, z in one.items()} for one, two in zip(known, wanted, strict=True)]


def _from_last_digits(
    run: Callable[[Tensor], Any], points: list[Tensor], known: list[dict[str, Tensor]], kinds: set[torch.dtype]
) -> list[dict[str, Tensor]]:
    """Estimate the rounding errors of a function from random changes of the last digit of its inputs.

    Each input moves away from zero by zero to two units in the last place; the changes of z are divided by √2.

    NaN where they are far larger than rounding, as for a function that cuts its input to 8 bits.
    """
    source = stream(0, "last digits")
    found = []
    for p, one in zip(points, known, strict=True):
        eps = max(torch.finfo(kind).eps for kind in (p.dtype, *kinds))
        changes = torch.randint(0, 3, p.shape, generator=source).to(p)
        near = p * (1 + eps * changes)
        two = _named(run(near.clamp_max(1) if float(p.max()) <= 1 else near))
        found.append({name: (z.double() - two[name].double()) / math.sqrt(2) for name, z in one.items()})
        for name, z in one.items():
            if float(found[-1][name].abs().max()) > FAR * eps * float(z.abs().max()):
                found[-1][name] = torch.full_like(found[-1][name], math.nan)
    return found


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
