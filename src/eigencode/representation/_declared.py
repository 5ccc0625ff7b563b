"""Declared layers of a network, checked against the network itself."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.representation.at import Code
from eigencode.representation.layers import OneLayer, layers_of, unit_norm_power

POINTS = 2
"""Points of the comparison; each also has one random neighbour per distance."""

DISTANCES = (0.01, 0.1, 1.0)
"""Distances of the neighbours, relative to the L2 norm of the point."""


@dataclass(frozen=True, eq=False)
class Declared:
    """Layers between the start and the place of a code; `norm_p` is the p of a unit norm before them, or None."""

    layers: tuple[OneLayer, ...]
    norm_p: float | None

    def __call__(self, x: Float[Tensor, "points *image"]) -> Float[Tensor, "points units"]:
        z = x.flatten(1)
        if self.norm_p is not None:
            z = z / torch.linalg.vector_norm(z, self.norm_p, dim=1, keepdim=True)
        for layer in self.layers:
            z = layer(z)
        return z


def declared(code: object, x: Float[Tensor, "points *image"], compare: bool = True) -> Declared | None:
    """Declared layers of a network (`as_layers`, or an `nn.Sequential`), if they match its output.

    A forward hook, a reparametrised weight or a wrong `matrix()` can make the network differ from its declared
    layers, and closed forms of them would be wrong.  So both are compared at some of the points `x` and at random
    neighbours of them, near and far.

    Args:
        code: result of `at` or `between`; anything else has no layers.
        x: points of the space in which the code starts.
        compare: False leaves out the comparison, for a network that has just passed it.

    Raises:
        InputError: points that are whole numbers, or have one axis only.

    Returns:
        The layers; None if there are none, if they do not start where the code starts, or if they differ from the
        network by more than rounding.

    >>> from torch import nn
    >>> from eigencode.representation import at
    >>> net, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.rand(2, 1, 2, 2)
    >>> len(declared(at(net, "1"), x).layers)
    1
    >>> _ = net[1].register_forward_hook(lambda module, args, out: 3 * out)
    >>> declared(at(net, "1"), x) is None
    True
    """
    derivable(x)
    if not isinstance(code, Code) or code.start not in ("pixel", "norm") or code.reduce != "flatten":
        return None
    with torch.no_grad():  # the network first: it updates weights that a forward pass recomputes
        points = _neighbours(x.detach()[:POINTS]) if compare else None
        output = None if points is None else code(points)
    layers = layers_of(code.module, code.place)
    norm_p = unit_norm_power(code.module) if code.start == "pixel" else None
    if layers is None or layers[0].weight.shape[1] != x[0].numel() or (norm_p is not None and math.isnan(norm_p)):
        return None
    found = Declared(layers, norm_p)
    return found if points is None or output is None or _matches(found, points, output) else None


def derivable(x: Tensor) -> None:
    """Refuse points by which nothing can be derived: whole numbers, or single numbers without an axis of their own."""
    if x.ndim < 2 or not x.is_floating_point():
        raise InputError(
            "no derivative by these points",
            got=f"{tuple(x.shape)} of {x.dtype}",
            wanted="floating-point numbers, an image or a row for each point",
        )


def _matches(layers: Declared, points: Tensor, output: Tensor) -> bool:
    """True if the layers give the output of the network at these points, up to rounding."""
    with torch.no_grad():
        claimed = layers(points.to(layers.layers[0].weight.dtype))
    if claimed.shape != output.shape or not bool(torch.isfinite(output).all()):
        return False
    allowed = min(1e4 * torch.finfo(output.dtype).eps, 0.05) * claimed.abs().amax(1, keepdim=True)
    return not bool(((output - claimed).abs() > allowed).any())


def _neighbours(x: Float[Tensor, "points *image"]) -> Float[Tensor, "more *image"]:
    """The points, and one random neighbour of each per distance."""
    flat = x.flatten(1)
    length = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    source = stream(0, "declared layers")
    steps = torch.randn(len(DISTANCES), *flat.shape, generator=source, dtype=torch.float32).to(flat)
    steps = steps * (length / torch.linalg.vector_norm(steps, dim=2, keepdim=True))
    return torch.cat([flat, *(flat + d * step for d, step in zip(DISTANCES, steps))]).reshape(-1, *x.shape[1:])
