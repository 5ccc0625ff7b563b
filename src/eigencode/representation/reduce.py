"""Reduce feature maps and tokens to one row of numbers per image."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from eigencode.base.errors import InputError, nearest
from eigencode.base.seeding import stream

Reduce = str | Callable[[Tensor], Tensor]
"""`flatten`, `mean`, `max`, `token:K`, `positions`, `random:M`, or a function from a tensor `N ...` to rows."""

NAMES = ("flatten", "mean", "max", "token", "positions", "random")
SIGNS = 8
"""Non-zero entries per unit of a random projection."""


def reducer(how: Reduce) -> Callable[[Tensor], Tensor]:
    """Get the function that reduces a representation `N ...` to rows `N units`.

    Maps are `N C H W` or have more axes (channels first), tokens are `N T C`; `N C` is not changed.  Maps of lines,
    `N C L`, cannot be told from tokens: a network with one-dimensional convolutions needs a function.

    Args:
        how:
            `"flatten"`    all numbers of an image in one row (default everywhere)
            `"mean"`       mean over the positions of a map, or over tokens
            `"max"`        maximum over them
            `"token:K"`    token number K, from 0
            `"positions"`  one row of C numbers per position or token: N × positions rows
            `"random:M"`   flattened, then projected to M numbers by a fixed random matrix S with E SᵀS = 1, for codes
                           too wide for a covariance; distances keep their expectation, with a relative standard
                           deviation of at most √(2/M)

    Raises:
        InputError: an unknown name; later, a representation that has no tokens or positions.

    >>> maps = torch.arange(8.0).reshape(1, 2, 2, 2)
    >>> reducer("mean")(maps).tolist(), reducer("positions")(maps).shape
    ([[1.5, 5.5]], torch.Size([4, 2]))

    Source of the projection: Kane and Nelson 2014 (J. ACM 61), block construction.
    """
    if callable(how):
        return how
    name, _, number = how.partition(":")
    if name not in NAMES or (name in ("token", "random")) != number.isdecimal() or (number and not number.isdecimal()):
        wanted = "flatten, mean, max, token:K, positions, random:M, or a function"
        raise InputError("unknown way to reduce a representation", got=how, wanted=wanted, fix=nearest(name, NAMES))
    if name == "random":
        if int(number) < 1:
            raise InputError("a random projection needs a number to project to", got=how, wanted="random:M, M >= 1")
        return lambda z: _projected(z.flatten(1), int(number))
    if name == "token":
        return lambda z: _tokens(z, int(number))
    return {"flatten": _flat, "mean": _mean, "max": _max, "positions": _positions}[name]


def named(how: Reduce) -> str:
    """Name of a conversion for records; "function" for one of the caller's."""
    return how if isinstance(how, str) else "function"


def _flat(z: Tensor) -> Tensor:
    return z.flatten(1)


def _mean(z: Tensor) -> Tensor:
    return z if z.ndim == 2 else z.mean(1) if z.ndim == 3 else z.flatten(2).mean(2)


def _max(z: Tensor) -> Tensor:
    return z if z.ndim == 2 else z.amax(1) if z.ndim == 3 else z.flatten(2).amax(2)


def _positions(z: Tensor) -> Tensor:
    return z if z.ndim == 2 else z.flatten(0, 1) if z.ndim == 3 else z.movedim(1, -1).flatten(0, -2)


def _tokens(z: Tensor, number: int) -> Tensor:
    if z.ndim != 3 or number >= z.shape[1]:
        raise InputError("there is no such token", got=tuple(z.shape), wanted=f"N T C with T > {number}")
    return z[:, number]


def _projected(z: Tensor, m: int) -> Tensor:
    """Random projection S z: adds each unit with a random sign to one random entry of each of `SIGNS` blocks."""
    units = z.shape[1]
    edges = [m * i // min(SIGNS, m) for i in range(min(SIGNS, m) + 1)]
    source = stream(0, "projection", units, m)
    found: Tensor = z.new_zeros(len(z), m)
    for low, high in pairwise(edges):
        where = torch.randint(low, high, (units,), generator=source).to(z.device)
        sign = torch.randint(0, 2, (units,), generator=source).to(z) * 2 - 1
        found = found.index_add(1, where, z * sign)
    return found / math.sqrt(len(edges) - 1)
