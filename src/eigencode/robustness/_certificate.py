"""Robustness certificates for networks with one hidden layer: lower bounds of the margins over a ball."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from eigencode.base.types import Norm, Space
from eigencode.representation._declared import declared
from eigencode.representation._modes import borrowed
from eigencode.representation.at import logits_of
from eigencode.representation.layers import OneLayer
from eigencode.robustness._balls import DUAL, length

ROUNDING = 16.0
"""A certified margin must also exceed this many times the largest rounding error of a logit seen at the images."""

ROUNDINGS = 8
"""Roundings allowed for per number besides those of a sum: effective weights, scale and shift of a BatchNorm."""

POWER = 16
"""Units in the last place by which a power function may be off."""

CHUNK = 50
"""Images per batch."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """Lower bounds of all margins z_y − z_j of z = V (s · relu(A x + b)^n + t) + c, n >= 1, over a ball around x.

    With |δ| <= ε the pre-activation of a unit stays within r = ε ‖a‖_* (the dual norm) of h = A x + b.  relu^n is
    convex: it lies above its tangent at h and, on this interval, below the chord from h − r to h + r.  Using for each
    unit the one that makes the margin smaller gives a linear function of δ with an exact minimum over the ball:

        z_y − z_j >= Σ_k lower_k − ε ‖Aᵀ g‖_*,    g_k = c_k · (tangent slope if c_k > 0, chord slope if c_k < 0)

    with c = s · (V_y − V_j).  For small ε both slopes are the derivative, and the bound is the first-order one.

    Source: Zhang et al. 2018 (arXiv 1811.00866), CROWN, for one hidden layer; Weng et al. 2018 (arXiv 1804.09699)
    for n = 1.  All numbers are float64.

    The network computes in a format with unit roundoff u.  Its logits differ from those of exact arithmetic by at most
    `rounding_errors`, at every point of the ball and for any order of summation (Higham 2002, Accuracy and stability of
    numerical algorithms, section 3.1): a sum of m products is off by at most γ_m Σ |terms|, γ_m = m u / (1 − m u).
    This is about a network that computes its declared layers one after the other in that format.

    Attributes:
        hidden, readout: the layers, in float64.
        rounding: largest difference between a logit of the network and of the layers in float64, over the images.
        dtype: the least precise format of images, weights and logits.
        unit: its unit roundoff; that of bfloat16 where torch is allowed to multiply float32 matrices less precisely.
    """

    hidden: OneLayer
    readout: OneLayer
    rounding: float
    dtype: torch.dtype
    unit: float

    def margins(
        self, x: Float[Tensor, "n *image"], y: Int[Tensor, " n"], eps: Float[Tensor, " n"], norm: Norm
    ) -> Float[Tensor, "n classes"]:
        """Lower bounds of z_y − z_j for each class j (0 for j = y), valid for every perturbation of norm <= eps."""
        chunks = (torch.split(t, CHUNK) for t in (x.flatten(1).double(), y, eps.double()))
        return torch.cat(
            [self._margins(points, own, size, DUAL[norm]) for points, own, size in zip(*chunks, strict=True)]
        )

    def _margins(self, x: Tensor, y: Tensor, eps: Tensor, dual: Norm) -> Tensor:
        matrix, last = self.hidden.weight, self.readout.weight
        n = float(self.hidden.power or 1)
        h = self.hidden.before(x)
        r = eps[:, None] * length(matrix, dual)
        at, low, high = (v.clamp_min(0) ** n for v in (h, h - r, h + r))
        tangent = torch.where(h > 0, n * h.clamp_min(0) ** (n - 1), 0.0)
        chord = torch.where(r > 0, (high - low) / (2 * r), tangent)
        scale = torch.ones_like(matrix[:, 0]) if self.hidden.scale is None else self.hidden.scale
        apart = last[y][:, None] - last  # n classes units
        c = apart * scale
        slope = c * torch.where(c > 0, tangent[:, None], chord[:, None])
        lower = (c * torch.where(c > 0, at[:, None], (low + chord * r)[:, None])).sum(2)
        if self.hidden.shift is not None:
            lower = lower + apart @ self.hidden.shift
        if self.readout.bias is not None:
            lower = lower + self.readout.bias[y][:, None] - self.readout.bias
        steepest = length((slope @ matrix).flatten(0, 1), dual).reshape(lower.shape)
        return lower - eps[:, None] * steepest

    def rounding_errors(
        self, x: Float[Tensor, "n *image"], eps: Float[Tensor, " n"], norm: Norm
    ) -> Float[Tensor, "n classes"]:
        """Bound of the rounding error of each logit at every point with norm <= eps around x; inf if it may overflow.

        With H = |A||x| + |b| + r the pre-activation is off by e = γ_m H, the power by (h + r + e)^n − (h + r)^n and a
        few units in the last place, and the read-out by |V| times that and γ_m |V| |z| + |c|.
        """
        hidden, readout, info = self.hidden, self.readout, torch.finfo(self.dtype)
        unit = self.unit + torch.finfo(torch.float64).eps  # and of this computation
        n, (units, inputs) = float(hidden.power or 1), hidden.weight.shape

        def gamma(count: int) -> float:
            return count * unit / (1 - count * unit) if count * unit < 0.5 else torch.inf

        x, eps = x.flatten(1).double(), eps.double()
        r = eps[:, None] * length(hidden.weight, DUAL[norm])
        sizes = x.abs() @ hidden.weight.abs().T + r + _sizes(hidden.bias, hidden.bias_terms)
        off = gamma(inputs + ROUNDINGS) * sizes + inputs * info.tiny
        edge = hidden.before(x) + r
        top = (edge + off).clamp_min(0) ** n
        error = top - edge.clamp_min(0) ** n + (POWER * unit * top if n != 1 else 0) + info.tiny
        largest = torch.maximum(sizes, top).amax(1)
        if hidden.scale is not None or hidden.shift is not None:
            scale = torch.ones_like(hidden.weight[:, 0]) if hidden.scale is None else hidden.scale.abs()
            top = scale * top + _sizes(hidden.shift, hidden.shift_terms)
            error = scale * error + gamma(ROUNDINGS) * top + info.tiny
        last = readout.weight.abs()
        outer = (top + error) @ last.T + _sizes(readout.bias, readout.bias_terms)
        found = error @ last.T + gamma(units + ROUNDINGS) * outer + units * info.tiny
        largest = torch.maximum(largest, torch.maximum(top.amax(1), outer.amax(1)))
        return torch.where((largest < info.max / 2)[:, None] & found.isfinite(), found, torch.inf)

    def holds(
        self, x: Float[Tensor, "n *image"], y: Int[Tensor, " n"], eps: Float[Tensor, " n"], norm: Norm
    ) -> Bool[Tensor, " n"]:
        """True where the network predicts y at every x + δ with ‖δ‖ <= eps, whatever rounding it does there."""
        wider = eps.double() * (1 + 1e-6) + 2 * torch.finfo(x.dtype).eps * length(x, norm)
        margins = self.margins(x, y, wider, norm)
        errors = self.rounding_errors(x, wider, norm)
        allowed = (errors + errors.gather(1, y[:, None])).clamp_min(ROUNDING * self.rounding)
        others = torch.ones_like(margins, dtype=torch.bool).scatter_(1, y[:, None], False)
        return ((margins > allowed) | ~others).all(1)

    def rungs(
        self, x: Float[Tensor, "n *image"], y: Int[Tensor, " n"], grid: Float[Tensor, " eps"], norm: Norm
    ) -> Int[Tensor, " n"]:
        """Number of leading values of an increasing grid that are certified for each image; by bisection."""
        grid = grid.to(x.device)
        low = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        high = torch.full_like(low, len(grid))
        while len(rows := (low < high).nonzero()[:, 0]):
            middle = (low[rows] + high[rows] + 1) // 2
            proved = self.holds(x[rows], y[rows], grid[middle - 1], norm)
            low[rows] = torch.where(proved, middle, low[rows])
            high[rows] = torch.where(proved, high[rows], middle - 1)
        return low


def certificate(net: object, space: Space, x: Float[Tensor, "n *image"]) -> Certificate | None:
    """Certificate of a network around points `x` of `space`; None if it has another architecture.

    Supported: an `nn.Module` that declares its layers (`as_layers`, or an `nn.Sequential`), with one hidden layer
    relu^n, n >= 1, and a linear read-out, in evaluation mode, without a unit norm between the points and the layer.
    The logits of the network at `x` are compared with those of the layers in float64.  Their difference counts as
    rounding error, so a network that does not match its declared layers gets no certificate.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    >>> for layer in (net[1], net[3]):
    ...     _ = layer.weight.data.copy_(torch.eye(2))
    >>> x, y = torch.tensor([[[[0.6, 0.4]]]]), torch.tensor([0])
    >>> proof = certificate(net, "pixel", x)
    >>> [bool(proof.holds(x, y, torch.tensor([eps]), "linf")) for eps in (0.09, 0.11)]
    [True, False]
    """
    if not isinstance(net, nn.Module) or x.device.type == "mps":  # no float64 on this device
        return None
    logits, _ = logits_of(net, space)
    with borrowed(net), torch.no_grad():
        known = declared(logits, x)
        if known is None or known.norm_p is not None or not certifiable(known.layers):
            return None
        hidden, readout = (_double(layer) for layer in known.layers)
        found = logits(x)
        error = (found.double() - readout(hidden(x.double()))).abs().max()
    formats = (x.dtype, found.dtype, *(layer.weight.dtype for layer in known.layers))
    dtype = max(formats, key=lambda kind: torch.finfo(kind).eps)
    return Certificate(hidden, readout, float(error), dtype, _unit_roundoff(dtype))


def certifiable(layers: tuple[OneLayer, ...] | None) -> bool:
    """True for one hidden layer relu^n, n >= 1, perhaps rescaled, and a linear read-out."""
    if layers is None or len(layers) != 2:
        return False
    hidden, readout = layers
    plain = readout.power is None and readout.scale is None and readout.shift is None
    return plain and hidden.power is not None and hidden.power >= 1


def _unit_roundoff(dtype: torch.dtype) -> float:
    unit = torch.finfo(dtype).eps / 2
    exact = torch.get_float32_matmul_precision() == "highest"
    return unit if exact or dtype == torch.float64 else max(unit, torch.finfo(torch.bfloat16).eps / 2)


def _double(layer: OneLayer) -> OneLayer:
    parts = {f.name: getattr(layer, f.name) for f in fields(layer)}
    tensors: dict[str, Any] = {k: p.detach().double() for k, p in parts.items() if isinstance(p, Tensor)}
    return replace(layer, **tensors)


def _sizes(added: Tensor | None, terms: Tensor | None) -> Tensor | float:
    """Sum of the sizes of the numbers that a bias or shift is made of."""
    return terms if terms is not None else 0.0 if added is None else added.abs()
