"""Is a derivative that of the function?  Comparison with finite differences, and words about zeros."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.geometry._products import flattened
from eigencode.representation._declared import derivable
from eigencode.representation._foreign import slope

PROBED, DIRECTIONS = 3, 4
"""Points compared, and random combinations of units of each."""

WRONG = 0.5
"""Relative difference from finite differences above which a derivative is doubted."""

NOISE = 50
"""Changes below this many rounding errors are not compared."""


def finite(x: Float[Tensor, "points *image"]) -> None:
    """Raise `InputError` unless all numbers are finite: a network may turn NaN into a derivative of zero."""
    bad = (~torch.isfinite(x.flatten(1)).all(1)).nonzero()[:, 0]
    if len(bad):
        raise InputError(
            f"{len(bad)} images hold NaN or Inf",
            got=f"images number {bad[:5].tolist()}",
            wanted="finite numbers",
            fix="take other images, or repair these",
        )


def units_of(code: Callable[[Tensor], Tensor], one: Float[Tensor, "1 *image"]) -> int:
    """Number of units; `InputError` for a representation without a derivative with respect to its points."""
    derivable(one)
    with torch.enable_grad():
        z = flattened(code)(one.detach().requires_grad_())
    if not z.requires_grad:
        raise InputError(
            "the representation has no derivative with respect to the images",
            got=f"{str(z.dtype).removeprefix('torch.')} numbers that no gradient flows through",
            wanted="a function that depends differentiably on the images",
            fix="drop no_grad, inference_mode, detach and conversions to integers or NumPy, or measure another place",
        )
    return z.shape[1]


def disagreement(code: Callable[[Tensor], Tensor], x: Float[Tensor, "points *image"]) -> tuple[str, ...]:
    """Compare the derivative of a function with finite differences along a random direction at a few points.

    Returns:
        A warning text if they differ by more than half: some part of the function then has a wrong derivative
        (`detach`, rounding, a sign, a custom backward pass).  Empty otherwise.

    >>> disagreement(lambda x: x.round() + 0 * x, torch.linspace(0, 9, 100).reshape(2, 50))[0][:51]
    'the derivative is 0 times that of finite difference'
    """
    some = x.detach()[:PROBED]
    source = stream(0, "finite differences", device="cpu")
    with torch.enable_grad():
        point = some.clone().requires_grad_()
        z = flattened(code)(point)
        eps = max(torch.finfo(z.dtype).eps, torch.finfo(x.dtype).eps)
        away = torch.randn(some.shape, generator=source, dtype=torch.float64).to(some)
        scale = eps ** (1 / 3) * _length(some) / _length(away)
        step = scale.reshape(-1, *[1] * (x.ndim - 1)) * away
        weights = torch.randn(DIRECTIONS, *z.shape, generator=source, dtype=torch.float64).to(z.device)
        claimed = torch.stack(
            [(slope(z, point, w.to(z)) * step).flatten(1).sum(1, dtype=torch.float64) for w in weights]
        )
    with torch.no_grad():
        ahead, behind = (flattened(code)(some + sign * step).double() for sign in (1, -1))
    seen = (weights * (ahead - behind) / 2).sum(2)
    size = float(torch.maximum(claimed.abs(), seen.abs()).sum())
    noise = NOISE * eps * float(_length(z.detach()).sum()) * DIRECTIONS
    if not size > noise or float((claimed - seen).abs().sum()) <= WRONG * size:
        return ()
    share = float(claimed.abs().sum() / seen.abs().sum().clamp_min(1e-300))
    return (
        f"the derivative is {share:.2g} times that of finite differences: part of the function is not differentiated "
        "(detach, no_grad, rounding, a sign), or it is far from linear nearby",
    )


def unusable(value: Float[Tensor, " points"]) -> tuple[str, ...]:
    """Warning texts if some norms are not finite, or if all are exactly zero; empty otherwise.

    A single zero is legitimate: at that point no unit may be active.

    Raises:
        InputError: no norm is finite, such as of derivatives whose squares overflow.
    """
    lost = int((~torch.isfinite(value)).sum())
    if lost == len(value):
        wanted = "derivatives whose squares the type of the representation can hold"
        raise InputError("no norm of a derivative is finite", got=f"{lost} NaN or Inf", wanted=wanted)
    said = f"the derivative is NaN or Inf for {lost} of {len(value)} points"
    return (said,) if lost else () if bool((value != 0).any()) else zeros(value)


def zeros(value: Float[Tensor, " points"]) -> tuple[str, ...]:
    """Warning text if some norm is exactly zero; empty otherwise."""
    flat = int((value == 0).sum())
    said = f"the Jacobian is zero for {flat} of {len(value)} images: dead units, or a detached place"
    return (said,) if flat else ()


def _length(x: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x.flatten(1), dim=1)
    return length
