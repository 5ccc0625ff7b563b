"""Layers of the networks: scaling to unit norm, activations, a dense layer without bias, and a read-out."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError
from eigencode.base.transposed import transposed_gradient


class UnitNorm(Admitted, nn.Module):
    """Scale every image to unit Lp norm: x / ‖x‖_p, over all of its pixels and channels together.

    It is a layer, not a preprocessing step, so that a network takes pixels, an attack can work in pixel space, and the
    derivative includes the scaling.  An image that is zero everywhere stays zero, with derivative zero (`Images`
    refuses such images).  The shape is kept.  In float32 the cubes of numbers below 1e-12 or above 1e12 are inexact: an
    image of such numbers alone may become zero.

    Source: arXiv 2405.00679, section 2 (p = 3).

    >>> UnitNorm(p=2.0)(torch.tensor([[[[3.0, 4.0]]]]))
    tensor([[[[0.6000, 0.8000]]]])
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        if not p >= 1:
            raise InputError("UnitNorm: p is out of range", got=p, wanted="a number >= 1")
        self.p = float(p)

    def forward(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n *image"]:
        length = torch.linalg.vector_norm(x.flatten(1), self.p, dim=1)
        length = torch.where(length > 0, length, torch.inf)
        unit: Tensor = x / length.reshape(-1, *[1] * (x.ndim - 1))
        return unit

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class RePU(Admitted, nn.Module):
    """Rectified power unit: max(h, 0)^n.  n = 1 is ReLU; n = 4.5 is the paper's choice for Krotov–Hopfield codes.

    >>> RePU(2.0)(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    """

    def __init__(self, n: float = 1.0) -> None:
        super().__init__()
        if not n > 0:
            raise InputError("RePU: n is out of range", got=n, wanted="a number > 0")
        self.n = float(n)

    def forward(self, h: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return _rectified(h, self.n)

    def extra_repr(self) -> str:
        return f"n={self.n:g}"


class Triangle(Admitted, nn.Module):
    """Rectified power of the input minus its mean over the channels: max(u_k − mean_j u_j, 0)^s.

    Channels are dimension 1, so that a convolution is centred at every position by itself.

    Args:
        exponent: s > 0.  Below 1 the slope is unbounded just above the mean and 0 below it: few units then dominate the
            norm of the Jacobian, and gradients say little about finite steps.
        mean: `"exact"`, or `"detached"`: the published SoftHebb code does not differentiate the mean.  The output is
            the same, but its gradient is wrong, and attacks that follow it look weak.

    Source: Coates, Lee and Ng, AISTATS 2011 ("triangle" activation, s = 1); Journé et al., ICLR 2023, for s ≠ 1.

    >>> Triangle()(torch.tensor([[3.0, 1.0, 2.0]]))
    tensor([[1., 0., 0.]])
    """

    def __init__(self, exponent: float = 1.0, mean: Literal["exact", "detached"] = "exact") -> None:
        super().__init__()
        if not 0 < exponent < math.inf:
            raise InputError("Triangle: the exponent is out of range", got=exponent, wanted="a finite number > 0")
        if mean not in ("exact", "detached"):
            raise InputError("Triangle: unknown mean", got=mean, wanted="'exact' or 'detached'")
        self.exponent, self.mean = float(exponent), mean

    def forward(self, u: Float[Tensor, "n units *positions"]) -> Float[Tensor, "n units *positions"]:
        centre = u.mean(1, keepdim=True)
        return _rectified(u - (centre if self.mean == "exact" else centre.detach()), self.exponent)

    def extra_repr(self) -> str:
        return f"exponent={self.exponent:g}" + ("" if self.mean == "exact" else f", mean={self.mean}")


class SoftWTA(Admitted, nn.Module):
    """Soft winner-takes-all activation: softmax over the units, exp(t u_k) / Σ_j exp(t u_j).

    Source: Moraitis, Toichkin, Journé, Chua and Guo, Neuromorphic Computing and Engineering 2 (2022), 044017; t = 5 for
    the read-out of the dense networks of Journé et al., ICLR 2023.

    >>> SoftWTA(0.0)(torch.tensor([[3.0, 1.0]]))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, inverse_temperature: float = 1.0) -> None:
        super().__init__()
        if not 0 <= inverse_temperature < math.inf:
            raise InputError("SoftWTA: out of range", got=inverse_temperature, wanted="a finite number >= 0")
        self.inverse_temperature = float(inverse_temperature)

    def forward(self, u: Float[Tensor, "n units *positions"]) -> Float[Tensor, "n units *positions"]:
        return (self.inverse_temperature * u).softmax(1)

    def extra_repr(self) -> str:
        return f"inverse_temperature={self.inverse_temperature:g}"


class SampledBatchNorm2d(Admitted, nn.BatchNorm2d):
    """BatchNorm2d as in the published SoftHebb code, to be compared with the statistics of all training images.

    While the local layer behind it learns, `train_local` leaves it in training mode: every batch is normalised by its
    own mean and variance.  Later it uses their running averages; with momentum 0.1 and 10 images per batch, those are
    averages over the last 200 images or so.
    """


class Dense(Admitted, nn.Linear):
    """Linear layer h = W x on flattened images, without bias; He initialisation σ² = 2 / inputs (2015, eq. 10)."""

    def __init__(self, inputs: int, units: int, generator: torch.Generator | None = None) -> None:
        if inputs < 1 or units < 1:
            raise InputError("Dense: a size is out of range", got=f"{inputs} inputs, {units} units", wanted=">= 1")
        super().__init__(inputs, units, bias=False, device="meta")
        weight = torch.randn(units, inputs, generator=generator) * (2 / inputs) ** 0.5
        self.weight = nn.Parameter(weight)

    def matrix(self) -> Tensor:
        """The matrix A of h = A x."""
        return self.weight

    def forward(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n units"]:
        return transposed_gradient(F.linear(x.flatten(1), self.weight))


class MaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d` with the same results, computed in channels-last order, which is several times faster on a CPU.

    >>> x = torch.rand(2, 16, 8, 8)
    >>> bool((MaxPool2d(4, 2, 1)(x) == nn.MaxPool2d(4, 2, 1)(x)).all())
    True
    """

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c ho wo"]:
        quick = input.device.type == "cpu" and input.ndim == 4
        seen = input.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if quick else input
        pooled: Tensor = super().forward(seen)
        return pooled.contiguous()


class Readout(Admitted, nn.Linear):
    """Linear layer with bias on the flattened code; in training mode a share `dropout` of its inputs is set to zero.

    The initial weights are those of `torch.nn.Linear`, U(−1/√inputs, 1/√inputs), drawn from `generator`.

    >>> Readout(8, 3, dropout=0.5)(torch.ones(5, 2, 2, 2)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self, inputs: int, classes: int, dropout: float = 0.0, generator: torch.Generator | None = None
    ) -> None:
        if inputs < 1 or classes < 1 or not 0 <= dropout < 1:
            got = f"{inputs} inputs, {classes} classes, dropout {dropout}"
            raise InputError("Readout: a setting is out of range", got=got, wanted="sizes >= 1, 0 <= dropout < 1")
        super().__init__(inputs, classes, device="meta")
        self.dropout = float(dropout)
        bound = 1 / math.sqrt(inputs)
        for name, shape in (("weight", (classes, inputs)), ("bias", (classes,))):
            values = torch.empty(shape).uniform_(-bound, bound, generator=generator)
            setattr(self, name, nn.Parameter(values))

    def forward(self, z: Float[Tensor, "n *code"]) -> Float[Tensor, "n classes"]:
        z = z.flatten(1)
        if not (self.dropout and self.training):
            return F.linear(z, self.weight, self.bias)
        kept = z * _kept(z.shape, self.dropout, z.device)
        return F.linear(kept, self.weight) / (1 - self.dropout) + self.bias

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dropout={self.dropout:g}"


def _kept(shape: torch.Size, share: float, device: torch.device) -> Bool[Tensor, "*shape"]:
    """Draw which numbers Dropout keeps, each with probability 1 − `share`.

    `F.dropout` spends most of the training of a wide read-out on random numbers of 32 bits.  Eight bits decide here if
    `share` is a multiple of 1/256.
    """
    limit, count = share * 256, shape.numel()
    if limit != int(limit):
        return torch.rand(shape, device=device) >= share
    bits = torch.empty(-(-count // 8), dtype=torch.int64, device=device).random_(-(2**63), None)
    return (bits.view(torch.uint8)[:count] >= int(limit)).view(shape)


def _rectified(h: Tensor, power: float) -> Tensor:
    """max(h, 0)^power, with derivative zero at 0 for a power below 1."""
    if power >= 1:
        return F.relu(h) if power == 1 else F.relu(h).pow(power)
    above = F.relu(h)
    off = (above == 0).to(h.dtype)  # 1^power − 1 there: the slope of a power at 0 is infinite, and 0 · inf is NaN
    return (above + off).pow(power) - off
