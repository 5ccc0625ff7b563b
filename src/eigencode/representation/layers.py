"""Layers with a closed-form derivative, z = s · relu(A x + b)^n + t, and chains of such layers."""

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.representation._place import aliases_of


@dataclass(frozen=True, eq=False)
class OneLayer:
    """The map x ↦ s · relu(A x + b)^n + t on flattened points, row by row; with `power=None` it is A x + b.

    A module declares its structure for the closed forms of this package (Jacobian norms, Lipschitz bounds, penalties)
    by a method `as_layers(place: str) -> tuple[OneLayer, ...] | None`: the layers that lead from the module's own
    `norm` child (from its input, if it has none) to `place`, in *evaluation mode*, first layer first; None where
    there is no such form.  If its children run in registration order, `return chain_to(self, place)` suffices.  The
    tensors keep their autograd graph, so closed forms are differentiable in the parameters.  `nn.Sequential` needs no
    such method.

    Args:
        weight: A, the effective one (for Krotov-Hopfield sign(W)|W|^(p-1)), shape (units, inputs).
        bias: b, or None for zero.
        power: n > 0, or None for no nonlinearity at all.
        scale: s, or None for one: a normalisation *after* the nonlinearity (with the nonlinearity only).
        shift: t, or None for zero.
        bias_terms, shift_terms: sums of the sizes of the numbers that were added to b and t, for bounds of rounding
            errors; |b| and |t| if left out.

    >>> layer = OneLayer(torch.tensor([[1.0, -1.0]]), power=2.0)
    >>> layer(torch.tensor([[3.0, 1.0], [1.0, 3.0]])).flatten().tolist()
    [4.0, 0.0]
    """

    weight: Float[Tensor, "units inputs"]
    bias: Float[Tensor, " units"] | None = None
    power: float | None = None
    scale: Float[Tensor, " units"] | None = None
    shift: Float[Tensor, " units"] | None = None
    bias_terms: Float[Tensor, " units"] | None = None
    shift_terms: Float[Tensor, " units"] | None = None

    def before(self, x: Tensor) -> Float[Tensor, "points units"]:
        """Pre-activation h = A x + b."""
        h = x.flatten(1) @ self.weight.T
        return h if self.bias is None else h + self.bias

    def slope(self, h: Float[Tensor, "points units"]) -> Float[Tensor, "points units"]:
        """Slope ∂z/∂h = s n relu(h)^(n-1), zero where h <= 0; one without a nonlinearity."""
        if self.power is None:
            return torch.ones_like(h)
        on = h > 0
        safe = torch.where(on, h, 1.0)  # avoids 0^negative in the second derivative
        slope = torch.where(on, self.power * safe ** (self.power - 1), 0.0)
        return slope if self.scale is None else slope * self.scale

    def __call__(self, x: Tensor) -> Float[Tensor, "points units"]:
        z = self.before(x)
        if self.power is not None:
            z = torch.where(z > 0, z.clamp_min(0.0) ** self.power, 0.0)
        z = z if self.scale is None else z * self.scale
        return z if self.shift is None else z + self.shift

    def at_least(self, kind: torch.dtype) -> "OneLayer":
        """This layer, its numbers of a lower precision than `kind` converted to it."""
        if torch.promote_types(self.weight.dtype, kind) == self.weight.dtype:
            return self
        names = ("weight", "bias", "scale", "shift", "bias_terms", "shift_terms")
        tensors: dict[str, Any] = {n: t.to(kind) for n in names if (t := getattr(self, n)) is not None}
        return replace(self, **tensors)

    def rectified(self, power: float = 1.0) -> "OneLayer":
        """This layer followed by relu^power."""
        return replace(self, power=power)

    def rescaled(
        self, scale: Float[Tensor, " units"], shift: Float[Tensor, " units"], terms: Tensor | None = None
    ) -> "OneLayer":
        """This layer followed by y ↦ scale · y + shift, one scale and shift per unit; `terms` as `shift_terms`."""
        added = (shift.abs() if terms is None else terms).detach()
        if self.power is None:
            bias = shift if self.bias is None else self.bias * scale + shift
            terms = _terms(self.bias, self.bias_terms, scale, added)
            return replace(self, weight=self.weight * scale[:, None], bias=bias, bias_terms=terms)
        old_scale = torch.ones_like(scale) if self.scale is None else self.scale
        old_shift = torch.zeros_like(shift) if self.shift is None else self.shift
        terms = _terms(self.shift, self.shift_terms, scale, added)
        return replace(self, scale=old_scale * scale, shift=old_shift * scale + shift, shift_terms=terms)


def _terms(old: Tensor | None, terms: Tensor | None, scale: Tensor, added: Tensor) -> Tensor:
    before = terms if terms is not None or old is None else old.detach().abs()
    return added if before is None else before * scale.detach().abs() + added


def batch_norm_affine(norm: nn.Module) -> tuple[Tensor, Tensor, Tensor] | None:
    """Affine map of a BatchNorm layer in evaluation mode, and its `shift_terms`; None without running statistics.

    scale = γ / sqrt(running variance + ε), shift = β − scale · running mean.
    """
    if not isinstance(norm, nn.BatchNorm1d) or norm.running_mean is None or norm.running_var is None:
        return None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -scale * norm.running_mean
    if norm.bias is None:
        return scale, shift, shift.detach().abs()
    return scale, shift + norm.bias, shift.detach().abs() + norm.bias.detach().abs()


def chain(modules: Iterable[nn.Module]) -> tuple[OneLayer, ...] | None:
    """Convert modules that are applied one after the other to layers; None if one of them is of another kind.

    Supported: `nn.Linear`, or any module with a method `matrix()` (h = A x on flattened input, no bias); `nn.ReLU`,
    or any module without parameters that has a number `power` or `n` and computes relu(h)^n; `nn.BatchNorm1d`, in
    evaluation mode; `nn.Flatten`, `nn.Identity` and `nn.Dropout`, which have no effect there.

    >>> layers = chain([nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)])
    >>> [(tuple(layer.weight.shape), layer.power) for layer in layers]
    [((3, 4), 1.0), ((2, 3), None)]
    """
    layers: list[OneLayer] = []
    for module in modules:
        linear = _linear(module)
        if linear is not None:
            layers.append(linear)
        elif isinstance(module, nn.Flatten | nn.Identity | nn.Dropout):
            continue
        elif not layers:
            return None
        elif (power := _power(module)) is not None and layers[-1].power is None:
            layers[-1] = layers[-1].rectified(power)
        elif (affine := batch_norm_affine(module)) is not None:
            layers[-1] = layers[-1].rescaled(*affine)
        else:
            return None
    return tuple(layers) or None


def _linear(module: nn.Module) -> OneLayer | None:
    matrix = getattr(module, "matrix", None)
    if callable(matrix) and not isinstance(matrix, nn.Module) and not inspect.signature(matrix).parameters:
        return OneLayer(matrix())
    return OneLayer(module.weight, module.bias) if type(module) is nn.Linear else None


def _power(module: nn.Module) -> float | None:
    """Exponent n of a module that computes relu^n, checked on an example; else None."""
    if isinstance(module, nn.ReLU):
        return 1.0
    n = getattr(module, "power", getattr(module, "n", None))
    if not isinstance(n, int | float) or n <= 0 or module.state_dict():
        return None
    h = torch.tensor([[-1.0, 0.5, 2.0]], dtype=torch.float64)
    wanted = torch.where(h > 0, h.clamp_min(0) ** n, 0.0)
    try:
        z = module.forward(h)  # not `module(h)`: that would call hooks of the user
        return float(n) if z.shape == wanted.shape and torch.allclose(z, wanted, rtol=1e-9) else None
    except Exception:  # a module of another kind that has an `n`
        return None


def chain_to(module: nn.Module, place: str) -> tuple[OneLayer, ...] | None:
    """`chain` of the children of `module` up to `place`, without `norm`, if they run in registration order."""
    children = {name: child for name, child in module._modules.items() if child is not None and name != "norm"}
    name = aliases_of(module).get(place, place)
    if place == "logits":
        return chain(children.values())
    return chain(list(children.values())[: list(children).index(name) + 1]) if name in children else None


def layers_of(module: nn.Module, place: str) -> tuple[OneLayer, ...] | None:
    """Layers from the input of `module` (or from its `norm`) to `place`; None if unknown.

    From the method `as_layers(place)` of the module, or by `chain_to` for an `nn.Sequential`.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> len(layers_of(net, "2")), len(layers_of(net, "logits"))
    (1, 2)
    """
    own = getattr(module, "as_layers", None)
    if callable(own):
        found: tuple[OneLayer, ...] | None = own(place)
        return found
    return chain_to(module, place) if type(module) is nn.Sequential else None


def unit_norm_power(module: nn.Module) -> float | None:
    """The p of the child `norm` if it maps x to x/‖x‖_p (checked on an example); None without such a child.

    NaN for a `norm` of another kind, whose derivative has no closed form here.
    """
    norm = getattr(module, "norm", None)
    if not isinstance(norm, nn.Module):
        return None
    p = getattr(norm, "p", None)
    if not isinstance(p, int | float) or p < 1 or norm.state_dict():
        return math.nan
    x = torch.tensor([[[[1.0, -2.0], [0.0, 0.5]]]], dtype=torch.float64)
    known = torch.allclose(norm.forward(x), x / torch.linalg.vector_norm(x, p), rtol=1e-9)
    return float(p) if known else math.nan
