"""Squared Jacobian norms of any function by automatic differentiation: exact, or by random projections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import hashed
from eigencode.representation._foreign import numbers, slope

Function = Callable[[Tensor], Tensor]
"""Function from points `N ...` to a representation `N ...`; output row i depends on input row i only."""

BUDGET = 2**25
"""Largest number of Jacobian entries in memory: 128 MiB of float32."""


def flattened(function: Function) -> Function:
    """Flatten the outputs of a function to `N units`; raise `InputError` if the number of rows changes."""

    def run(x: Tensor) -> Tensor:
        z: object = numbers(function(x))
        if not isinstance(z, Tensor) or z.ndim < 2 or len(z) != len(x):
            raise InputError(
                "not a representation of the points",
                got=f"{tuple(z.shape)} for {len(x)} points" if isinstance(z, Tensor) else type(z).__name__,
                wanted="one row per point",
            )
        return z.flatten(1)

    return run


def linearised(function: Function, x: Float[Tensor, "points *image"]) -> tuple[Tensor, Function, Function]:
    """Return z and the products u ↦ Jᵀu and v ↦ J v, for all points at once.

    J v is the derivative of u ↦ Jᵀu, so only reverse mode is needed, which every differentiable module has.

    >>> z, pull, push = linearised(lambda x: x**2, torch.tensor([[1.0, 3.0]]))
    >>> pull(torch.ones(1, 2)).tolist(), push(torch.ones(1, 2)).tolist()
    ([[2.0, 6.0]], [[2.0, 6.0]])
    """
    z, pull_all = torch.func.vjp(flattened(function), x.detach())[:2]

    def pull(u: Tensor) -> Tensor:
        return cast(Tensor, pull_all(u)[0])

    def push(v: Tensor) -> Tensor:
        return cast(Tensor, torch.func.vjp(pull, torch.zeros_like(z))[1](v)[0])

    return z.detach(), pull, push


Way = Literal["columns", "rows", "single rows"]
"""Columns or rows of a Jacobian, many at once by `vmap`, or its rows one by one."""


def exact_way(function: Function, one: Float[Tensor, "1 *image"]) -> tuple[Way, int]:
    """The cheapest way to a whole Jacobian that this function allows, and its number of derivatives.

    Recurrent networks, checkpoints and fused attention have no batched or second derivatives; their rows are computed
    one by one.
    """
    inputs, units = one.numel(), flattened(function)(one).shape[1]
    ways: list[tuple[Way, int]] = [("columns", inputs)] if inputs < units else []
    for way, derivatives in (*ways, ("rows", units)):
        try:
            with _no_loops():
                Derivative(function, one, way)(0, min(2, derivatives))
        except Exception:  # any operator may refuse any transform
            continue
        return way, derivatives
    return "single rows", units


@contextmanager
def _no_loops() -> Iterator[None]:
    """Let `vmap` raise where it has no batched operator, instead of a loop inside it."""
    functorch: Any = torch._C._functorch  # type: ignore[attr-defined]
    before = functorch._is_vmap_fallback_enabled()
    functorch._set_vmap_fallback_enabled(False)
    try:
        yield
    finally:
        functorch._set_vmap_fallback_enabled(before)


def exact_squares(
    function: Function, x: Float[Tensor, "points *image"], way: Way | None = None, widest: int = 1
) -> Float[Tensor, " points"]:
    """‖J‖²_F per point from the whole Jacobian, float64: by its rows or its columns, whichever is fewer.

    The rows of all points are computed together, as many at a time as `BUDGET` allows, and not
    stored.  Cost: min(units, inputs) derivatives of the whole batch.

    Args:
        way: a result of `exact_way`, by default that for the first point.
        widest: numbers per point of the widest layer.

    >>> exact_squares(lambda x: x**2, torch.tensor([[1.0, 2.0], [0.0, 3.0]])).tolist()
    [20.0, 36.0]
    """
    x = x.detach()
    way = exact_way(function, x[:1])[0] if way is None else way
    if way == "single rows":
        return _row_by_row(function, x)
    derivative = Derivative(function, x, way)
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    at_once = max(1, BUDGET // max(1, len(x) * max(derivative.units, derivative.inputs, widest)))
    for first in range(0, derivative.count, at_once):
        total += _squared(derivative(first, min(first + at_once, derivative.count)))
    return total


class Derivative:
    """Rows (or columns) of the Jacobians of all points, several at a time."""

    def __init__(self, function: Function, x: Float[Tensor, "points *image"], way: Way) -> None:
        z, pull, push = linearised(function, x)
        self.units, self.inputs = z[0].numel(), x[0].numel()
        self.count = self.units if way == "rows" else self.inputs
        self._product, self._like = (pull, z) if way == "rows" else (push, x)

    def __call__(self, first: int, last: int) -> Float[Tensor, "some points *row"]:
        """Rows number `first` to `last` - 1."""
        like = self._like
        basis = torch.zeros(last - first, like[0].numel(), dtype=like.dtype, device=like.device)
        basis[torch.arange(last - first), torch.arange(first, last)] = 1
        seeds = basis.reshape(len(basis), 1, *like.shape[1:]).expand(-1, *like.shape)
        rows = torch.func.vmap(self._product)(seeds) if len(basis) > 1 else self._product(seeds[0])[None]
        return rows.detach()


def _row_by_row(function: Function, x: Float[Tensor, "points *image"]) -> Float[Tensor, " points"]:
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        z = flattened(function)(x)
        for unit in range(z.shape[1]):
            one = torch.zeros_like(z)
            one[:, unit] = 1
            total += _squared(slope(z, x, one)[None])
    return total


def _squared(rows: Float[Tensor, "rows points *row"]) -> Float[Tensor, " points"]:
    """Sum of squares per point, float64; half precision would overflow."""
    rows = rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
    return rows.flatten(2).square().sum((0, 2), dtype=torch.float64)


def directions(like: Float[Tensor, "points units"], generator: torch.Generator) -> Float[Tensor, "points units"]:
    """Draw independent unit vectors, one per point, uniform on the sphere."""
    v = torch.randn(like.shape, generator=generator, dtype=torch.float64, device=like.device)
    unit: Tensor = (v / torch.linalg.vector_norm(v, dim=1, keepdim=True)).to(like.dtype)
    return unit


Draw = Callable[[int, Tensor], Tensor]
"""Directions number k, one per point, for outputs of a shape."""


def image_directions(seed: int, first: int, count: int) -> Draw:
    """Directions as `directions` draws them, from a seed per point: the same for it in any batch.

    Args:
        seed: of all points; those are numbered `first`, `first + 1`, ...

    >>> whole, part = image_directions(0, 0, 5), image_directions(0, 3, 2)
    >>> bool((whole(7, torch.zeros(5, 4))[3:] == part(7, torch.zeros(2, 4))).all())
    True
    """

    def draw(k: int, like: Tensor) -> Tensor:
        seeds = seed + torch.arange(first, first + count, device=like.device)
        uniform = hashed(seeds, k, count=like.shape[1]).double() + 2.0**-25  # in the middle of 2^24 steps
        v = torch.erfinv(2 * uniform - 1)
        unit: Tensor = (v / torch.linalg.vector_norm(v, dim=1, keepdim=True)).to(like.dtype)
        return unit

    return draw


def projected_squares(
    function: Function,
    x: Float[Tensor, "points *image"],
    projections: int,
    draw: Draw,
    *,
    create_graph: bool = False,
) -> Float[Tensor, "projections points"]:
    """Unbiased estimates C ‖Jᵀv‖² of ‖J‖²_F, v uniform on the unit sphere of the C outputs.

    E vvᵀ = I/C, so the mean over v is exactly ‖J‖²_F; every point and every projection has a v of its own.

    Args:
        projections: number of v per point, one derivative of the batch each.
        draw: source of v.
        create_graph: keep the graph, to differentiate the estimates by the function's parameters.

    Source: Hoffman, Roberts and Yaida 2019 (arXiv 1908.02729), algorithm 1; Hutchinson 1990.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = flattened(function)(x)
        estimates = []
        for k in range(projections):
            v = draw(k, z.detach())
            row = slope(z, x, v, create_graph)
            row = row.float() if row.dtype in (torch.float16, torch.bfloat16) else row
            estimates.append(z.shape[1] * row.flatten(1).square().sum(1))
    return torch.stack(estimates)
