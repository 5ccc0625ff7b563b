"""Squared Jacobian norms of any function by automatic differentiation: exact, or by random projections."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError

Function = Callable[[Tensor], Tensor]
"""Function from points `N ...` to a representation `N ...`; output row i depends on input row i only."""

BUDGET = 2**25
"""Largest number of Jacobian entries in memory: 128 MiB of float32."""


def flattened(function: Function) -> Function:
    """Flatten the outputs of a function to `N units`; raise `InputError` if the number of rows changes."""

    def run(x: Tensor) -> Tensor:
        z: object = function(x)
        if not isinstance(z, Tensor) or z.ndim == 0 or len(z) != len(x):
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


def exact_squares(function: Function, x: Float[Tensor, "points *image"]) -> Float[Tensor, " points"]:
    """‖J‖²_F per point from the whole Jacobian, float64: by its rows or its columns, whichever is fewer.

    The rows of all points are computed together, as many at a time as `BUDGET` allows, and not
    stored.  Cost: min(units, inputs) derivatives of the whole batch.

    >>> exact_squares(lambda x: x**2, torch.tensor([[1.0, 2.0], [0.0, 3.0]])).tolist()
    [20.0, 36.0]
    """
    x = x.detach()
    z, pull, push = linearised(function, x)
    units, inputs = z[0].numel(), x[0].numel()
    reverse = units <= inputs
    product, like = (pull, z) if reverse else (push, x)
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    at_once = max(1, BUDGET // max(1, len(x) * max(units, inputs)))
    for first in range(0, min(units, inputs), at_once):
        index = torch.arange(first, min(first + at_once, min(units, inputs)), device=x.device)
        basis = torch.zeros(len(index), like[0].numel(), dtype=x.dtype, device=x.device)
        basis[torch.arange(len(index)), index] = 1
        seeds = basis.reshape(len(index), 1, *like.shape[1:]).expand(-1, len(x), *like.shape[1:])
        rows = torch.func.vmap(product)(seeds) if len(index) > 1 else product(seeds[0])[None]
        total += rows.detach().flatten(2).square().sum((0, 2), dtype=torch.float64)
    return total


def directions(like: Float[Tensor, "points units"], generator: torch.Generator) -> Float[Tensor, "points units"]:
    """Draw independent unit vectors, one per point, uniform on the sphere."""
    v = torch.randn(like.shape, generator=generator, dtype=torch.float64, device=like.device)
    unit: Tensor = (v / torch.linalg.vector_norm(v, dim=1, keepdim=True)).to(like.dtype)
    return unit


def projected_squares(
    function: Function,
    x: Float[Tensor, "points *image"],
    projections: int,
    generator: torch.Generator,
    *,
    create_graph: bool = False,
) -> Float[Tensor, "projections points"]:
    """Unbiased estimates C ‖Jᵀv‖² of ‖J‖²_F, v uniform on the unit sphere of the C outputs.

    E vvᵀ = I/C, so the mean over v is exactly ‖J‖²_F; every point and every projection has a v of its own.

    Args:
        projections: number of v per point, one derivative of the batch each.
        generator: source of v, on the device of the output.
        create_graph: keep the graph, to differentiate the estimates by the function's parameters.

    Source: Hoffman, Roberts and Yaida 2019 (arXiv 1908.02729), algorithm 1; Hutchinson 1990.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = flattened(function)(x)
        estimates = []
        for k in range(projections):
            v = directions(z.detach(), generator)
            keep = create_graph or k + 1 < projections
            (row,) = torch.autograd.grad(z, x, v, retain_graph=keep, create_graph=create_graph)
            estimates.append(z.shape[1] * row.flatten(1).square().sum(1))
    return torch.stack(estimates)
