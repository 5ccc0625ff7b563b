"""Robustness certificates for networks with one hidden layer: lower bounds of the margins over a ball."""

from dataclasses import dataclass

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
"""A certified margin must exceed this many times the largest rounding error of a logit."""

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
    """

    hidden: OneLayer
    readout: OneLayer
    rounding: float
    """Largest error of a logit as computed by the network, over the images of the comparison."""

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

    def holds(
        self, x: Float[Tensor, "n *image"], y: Int[Tensor, " n"], eps: Float[Tensor, " n"], norm: Norm
    ) -> Bool[Tensor, " n"]:
        """True where the network predicts y at every x + δ with ‖δ‖ <= eps, even with its rounding errors."""
        wider = eps.double() * (1 + 1e-6) + 2 * torch.finfo(x.dtype).eps * length(x, norm)
        margins = self.margins(x, y, wider, norm)
        others = torch.ones_like(margins, dtype=torch.bool).scatter_(1, y[:, None], False)
        return ((margins > ROUNDING * self.rounding) | ~others).all(1)

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
        if known is None or known.norm_p is not None or len(known.layers) != 2:
            return None
        hidden, readout = (_double(layer) for layer in known.layers)
        if readout.scale is not None or readout.shift is not None:
            return None
        if hidden.power is None or hidden.power < 1 or readout.power is not None:
            return None
        found = logits(x)
        error = (found.double() - readout(hidden(x.double()))).abs().max()
        least = torch.finfo(found.dtype).eps * found.abs().max()  # the error of a float64 network may be zero
    return Certificate(hidden, readout, max(float(error), float(least)))


def _double(layer: OneLayer) -> OneLayer:
    parts = (None if p is None else p.detach().double() for p in (layer.bias, layer.scale, layer.shift))
    bias, scale, shift = parts
    return OneLayer(layer.weight.detach().double(), bias, layer.power, scale, shift)
