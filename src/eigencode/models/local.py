"""Dense and convolutional layers that are trained by a local learning rule instead of by gradient."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from eigencode.base.border import Admitted
from eigencode.base.errors import InputError
from eigencode.rules.convergence import Convergence
from eigencode.rules.protocol import Rows, Rule

PATCH_NUMBERS = 2**25
"""Largest number of entries of the patches, or currents, of a convolution that are computed at once."""


class LocalLayer(Admitted, nn.Module, ABC):
    """Base class of layers trained by a local rule: a weight matrix that multiplies input rows.

    The rows are flattened images in `LocalDense` and image patches in `LocalConv2d`.
    `weight` (units, inputs) is not trained by gradient (`requires_grad` is False) unless you switch it on.
    `wins` counts, per unit, the rows it won in the last epoch of local training, inside an epoch those since the epoch
    before it began; −1 before any training.

    Args:
        weight: the initial weights, e.g. `rule.init(units, inputs, generator)`; copied.
        rule: the learning rule.  `Rule.derive` computes the matrix that multiplies the input from the weights, and
            `Rule.health` tests convergence.  Another rule may train the layer if its `layer_settings` are the same.
    """

    wins: Tensor

    def __init__(self, weight: Float[Tensor, "units inputs"], rule: Rule) -> None:
        super().__init__()
        if weight.ndim != 2 or not weight.numel():
            raise InputError("not a weight matrix", got=tuple(weight.shape), wanted="units x inputs, each >= 1")
        self.rule = rule
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
        self.register_buffer("wins", torch.full((len(weight),), -1, dtype=torch.int64))
        self._held: Tensor | None = None

    @abstractmethod
    def rows(self, x: Tensor) -> Float[Tensor, "rows inputs"]:
        """Input of the layer as a matrix whose rows the weights multiply (flattened images or patches)."""

    def change(self, rule: Rule, x: Tensor, derived: Tensor) -> Rows:
        """The weight change by `rule` for a batch of inputs; `derived` is `rule.operand(weight)`."""
        return rule.rows(self.rows(x), self.weight.detach(), derived)

    def synapses(self) -> Float[Tensor, "units inputs"]:
        """The matrix that multiplies each row: `rule.derive(weight)`."""
        return self.rule.derive(self.weight)

    def current_synapses(self) -> Float[Tensor, "units inputs"]:
        """`synapses()`, or the matrix cached by `holding`."""
        return self.synapses() if self._held is None else self._held

    def health(self) -> Convergence:
        """Convergence of every unit by the criterion of the layer's rule, in double precision."""
        return self.rule.health(self.weight.detach().double(), self.wins)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Context manager that caches `synapses()`, so that it is not recomputed for every batch."""
        before = self._held
        try:
            with torch.no_grad():
                self._held = self.synapses()
            yield
        finally:
            self._held = before

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Context manager inside `holding` for weights that change: `synapses()` is computed anew each time."""
        before, self._held = self._held, None
        try:
            yield
        finally:
            self._held = before

    def extra_repr(self) -> str:
        units, inputs = self.weight.shape
        shared = [f"{name}={value:g}" for name, value in self.rule.layer_settings.items()]
        return ", ".join([f"inputs={inputs}", f"units={units}", *shared])


class LocalDense(LocalLayer):
    """Locally trained dense layer h = A x on flattened input, with A = `rule.derive(weight)` and no bias.

    For Krotov–Hopfield rules h_μ = Σᵢ sign(W_μi)|W_μi|^(p−1) xᵢ.

    Source: Krotov and Hopfield, PNAS 116 (2019), eq. 3; arXiv 2405.00679.

    >>> from eigencode.rules import KrotovHopfield
    >>> layer = LocalDense(torch.tensor([[-2.0, 3.0]]), KrotovHopfield(p=3.0))
    >>> layer(torch.tensor([[1.0, 1.0]]))
    tensor([[5.]])
    """

    @classmethod
    def like(cls, layer: nn.Linear, rule: Rule) -> "LocalDense":
        """A local layer with the weights of a linear layer without bias, to put in its place.

        Raises:
            InputError: the layer has a bias.

        >>> from eigencode.rules import SoftHebb
        >>> LocalDense.like(nn.Linear(4, 3, bias=False), SoftHebb())
        LocalDense(inputs=4, units=3, start=25)
        """
        _refuse(layer, bias=layer.bias is not None)
        return cls(layer.weight, rule)

    def rows(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n inputs"]:
        return x.flatten(1)

    def matrix(self) -> Float[Tensor, "units inputs"]:
        """The matrix A of h = A x, used by closed forms in `geometry` and `penalties`."""
        return self.synapses()

    def forward(self, x: Float[Tensor, "n *image"]) -> Float[Tensor, "n units"]:
        return F.linear(self.rows(x), self.current_synapses())


class LocalConv2d(LocalLayer):
    """Locally trained 2D convolution without bias; its rows are the patches under the kernel, one per position.

    Args:
        weight: (units, channels · height · width of the kernel), as `torch.nn.Conv2d` flattens its kernels; copied.
        rule: as in `LocalLayer`.
        kernel: height and width of the kernel, or one number for both.
        stride, padding, padding_mode: as in `torch.nn.Conv2d`; the modes are `"zeros"` and `"reflect"`.
        patch_norm: exponent p ≥ 1 of the norm to which every patch v is scaled, v / ‖v‖_p, before the weights multiply
            it; a patch of zeros stays zero, with derivative zero.  None: patches are not scaled.

    Source of `patch_norm`: Grinberg, Hopfield and Krotov, arXiv 1908.08993 (2019).

    Raises:
        InputError: the weights do not fit the kernel, or the input has another number of channels.

    >>> from eigencode.rules import KrotovHopfield
    >>> layer = LocalConv2d(torch.ones(2, 9), KrotovHopfield(), kernel=3)
    >>> layer(torch.ones(5, 1, 8, 8)).shape, layer.rows(torch.ones(5, 1, 8, 8)).shape
    (torch.Size([5, 2, 6, 6]), torch.Size([180, 9]))
    """

    def __init__(
        self,
        weight: Float[Tensor, "units inputs"],
        rule: Rule,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        padding_mode: Literal["zeros", "reflect"] = "zeros",
        patch_norm: float | None = None,
    ) -> None:
        super().__init__(weight, rule)
        self.kernel = kernel if isinstance(kernel, tuple) else (int(kernel), int(kernel))
        self.stride, self.padding, self.padding_mode, self.patch_norm = stride, padding, padding_mode, patch_norm
        area = self.kernel[0] * self.kernel[1]
        if min(*self.kernel, stride, padding + 1) < 1 or weight.shape[1] % area or not weight.shape[1]:
            raise InputError(
                "LocalConv2d: weights and kernel do not fit",
                got=f"{weight.shape[1]} inputs, kernel {self.kernel}, stride {stride}, padding {padding}",
                wanted="inputs = channels * height * width of the kernel, kernel and stride >= 1, padding >= 0",
            )
        if padding_mode not in ("zeros", "reflect"):
            raise InputError("LocalConv2d: unknown padding_mode", got=padding_mode, wanted="'zeros' or 'reflect'")
        if patch_norm is not None and not 1 <= patch_norm < math.inf:
            raise InputError(
                "LocalConv2d: patch_norm is out of range", got=patch_norm, wanted="None, or a finite number >= 1"
            )
        self.channels = weight.shape[1] // area

    @classmethod
    def like(cls, layer: nn.Conv2d, rule: Rule) -> "LocalConv2d":
        """A local layer with the weights and the geometry of a convolution without bias, to put in its place.

        Draw new weights with `models.initialise` if the rule needs another start.

        Raises:
            InputError: the layer has a bias, groups, a dilation, another padding than zeros or reflected, or a stride
                or padding that differs between height and width.

        >>> from eigencode.rules import SoftHebb
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2, bias=False), nn.ReLU())
        >>> net[0] = LocalConv2d.like(net[0], SoftHebb())
        >>> net(torch.ones(2, 3, 8, 8)).shape
        torch.Size([2, 8, 8, 8])
        """
        stride, padding = layer.stride, layer._reversed_padding_repeated_twice
        _refuse(
            layer,
            bias=layer.bias is not None,
            groups=layer.groups != 1,
            dilation=set(layer.dilation) != {1},
            stride=len(set(stride)) > 1,
            padding=len(set(padding)) > 1,
            padding_mode=layer.padding_mode not in ("zeros", "reflect"),
        )
        how = {"kernel": tuple(layer.kernel_size), "stride": stride[0], "padding": padding[0]}
        return cls(layer.weight.flatten(1), rule, **how, padding_mode=layer.padding_mode)  # type: ignore[arg-type]

    def rows(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "rows inputs"]:
        height, width = self.kernel
        maps = self._maps(x)
        patches = maps.unfold(2, height, self.stride).unfold(3, width, self.stride)
        # inputs first, which copies whole lines of the maps; matrix products take the transpose as it is
        rows = patches.permute(1, 4, 5, 0, 2, 3).reshape(self.weight.shape[1], -1).T
        return rows if self.patch_norm is None else rows / self._lengths(maps, self.patch_norm).reshape(-1, 1)

    def change(self, rule: Rule, x: Float[Tensor, "n c h w"], derived: Tensor) -> Rows:
        """As in `LocalLayer`; the patches of at most `PATCH_NUMBERS` numbers are in memory at once."""
        height, width = self._maps(x[:1]).shape[-2:]
        numbers = max(self.weight.shape) * max(1, height * width // self.stride**2)
        parts = torch.split(x, max(1, PATCH_NUMBERS // numbers))
        return reduce(Rows.merge, (super(LocalConv2d, self).change(rule, part, derived) for part in parts))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n units ho wo"]:
        kernels, maps = self.current_synapses().reshape(-1, self.channels, *self.kernel), self._maps(x)
        h = F.conv2d(maps, kernels, stride=self.stride)
        return h if self.patch_norm is None else h / self._lengths(maps, self.patch_norm)

    def _lengths(self, maps: Tensor, p: float) -> Float[Tensor, "n 1 ho wo"]:
        """‖v‖_p of the patch at every position; infinite for a patch of zeros, so that dividing by it gives zero."""
        powers = maps.abs().pow(p).sum(1, keepdim=True)
        sums = F.avg_pool2d(powers, self.kernel, self.stride, divisor_override=1)
        return torch.where(sums > 0, torch.where(sums > 0, sums, 1.0).pow(1 / p), torch.inf)

    def _maps(self, x: Tensor) -> Tensor:
        """The input with its padding."""
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise InputError(
                "the input does not fit this convolution",
                got=tuple(x.shape),
                wanted=f"(N, {self.channels}, height, width)",
            )
        if self.padding_mode == "zeros":
            return F.pad(x, (self.padding,) * 4) if self.padding else x
        if min(x.shape[2:]) <= self.padding:
            raise InputError(
                "the input is too small for this reflection",
                got=f"maps of {x.shape[2]} x {x.shape[3]}, padding {self.padding}",
                wanted=f"at least {self.padding + 1} x {self.padding + 1}",
            )
        return F.pad(x, (self.padding,) * 4, mode="reflect")

    def extra_repr(self) -> str:
        told = f"{super().extra_repr()}, kernel={self.kernel}, stride={self.stride}, padding={self.padding}"
        told += "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        return told if self.patch_norm is None else f"{told}, patch_norm={self.patch_norm:g}"


def _refuse(layer: nn.Module, **wrong: bool) -> None:
    """Refuse to copy a layer with settings that a local layer does not have."""
    plain = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.Linear
    own = [
        *(["a forward of its own"] if type(layer).forward is not plain.forward or "forward" in vars(layer) else []),
        *(["no weights before its first images"] if any(map(is_lazy, layer.parameters())) else []),
        *(["forward hooks"] if layer._forward_hooks or layer._forward_pre_hooks else []),
    ]
    if own:
        raise InputError(
            f"a local layer cannot stand in for this {type(layer).__name__}",
            got=" and ".join(own),
            wanted="the forward pass of nn.Conv2d or nn.Linear",
        )
    found = [name for name, is_wrong in wrong.items() if is_wrong]
    if found:
        raise InputError(
            f"a local layer cannot stand in for this {type(layer).__name__}",
            got=", ".join(f"{name}={getattr(layer, name)}" for name in found),
            wanted="no bias, one group, no dilation, one stride and padding for both directions",
        )
