"""Dense and convolutional layers that are trained by a local learning rule instead of by gradient."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from eigencode.base.border import Admitted, admit
from eigencode.base.errors import InputError, nearest
from eigencode.base.seeding import stream
from eigencode.rules.convergence import Convergence
from eigencode.rules.hebbian import Hebbian
from eigencode.rules.protocol import Rows, Rule


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
        """The weight change by `rule` for a batch of inputs; `derived` is `rule.derive(weight)`."""
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
        stride, padding: as in `torch.nn.Conv2d`; the padding is zero.

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
    ) -> None:
        super().__init__(weight, rule)
        self.kernel = kernel if isinstance(kernel, tuple) else (int(kernel), int(kernel))
        self.stride, self.padding = stride, padding
        area = self.kernel[0] * self.kernel[1]
        if min(*self.kernel, stride, padding + 1) < 1 or weight.shape[1] % area or not weight.shape[1]:
            raise InputError(
                "LocalConv2d: weights and kernel do not fit",
                got=f"{weight.shape[1]} inputs, kernel {self.kernel}, stride {stride}, padding {padding}",
                wanted="inputs = channels * height * width of the kernel, kernel and stride >= 1, padding >= 0",
            )
        self.channels = weight.shape[1] // area

    def rows(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "rows inputs"]:
        patches = F.unfold(self._maps(x), self.kernel, padding=self.padding, stride=self.stride)
        return patches.transpose(1, 2).reshape(-1, patches.shape[1])

    def change(self, rule: Rule, x: Float[Tensor, "n c h w"], derived: Tensor) -> Rows:
        """As in `LocalLayer`; for a `Hebbian` rule Yᵀ X is the weight gradient of this convolution at the gains."""
        if not isinstance(rule, Hebbian):
            return super().change(rule, x, derived)
        weight = self.weight.detach()
        u = self._convolved(x, derived)
        rows = u.movedim(1, -1).reshape(-1, len(weight))
        y = rule.gains(rows)
        maps = y.reshape(len(x), *u.shape[2:], -1).movedim(-1, 1)
        kernels = (len(weight), self.channels, *self.kernel)
        found = conv2d_weight(x, kernels, maps, self.stride, self.padding)  # type: ignore[no-untyped-call]
        return rule.change(rows, y, found.reshape(weight.shape), weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n units ho wo"]:
        return self._convolved(x, self.current_synapses())

    def _convolved(self, x: Tensor, matrix: Tensor) -> Tensor:
        kernels = matrix.reshape(-1, self.channels, *self.kernel)
        return F.conv2d(self._maps(x), kernels, stride=self.stride, padding=self.padding)

    def _maps(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise InputError(
                "the input does not fit this convolution",
                got=tuple(x.shape),
                wanted=f"(N, {self.channels}, height, width)",
            )
        return x

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, kernel={self.kernel}, stride={self.stride}, padding={self.padding}"


def local_layers(net: nn.Module) -> dict[str, LocalLayer]:
    """All `LocalLayer` submodules of a network by dotted name, in the order they were registered."""
    admit(local_layers, locals())
    return {name: layer for name, layer in net.named_modules() if isinstance(layer, LocalLayer)}


def local_layer(net: nn.Module, at: str | None = None) -> LocalLayer:
    """Return the local layer with dotted name `at`, or the only one if `at` is None.

    Raises:
        InputError: no local layer has this name, or `at` is None and the network has none or several.
    """
    admit(local_layer, locals())
    found = local_layers(net)
    if at is None and len(found) == 1:
        return next(iter(found.values()))
    if at not in found:
        raise InputError(
            f"{type(net).__name__}: " + ("this network has no local layer" if not found else "which local layer?"),
            got=f"at={at!r}",
            wanted=", ".join(found) or "a LocalDense or LocalConv2d, as in models.krotov_hopfield",
            fix=nearest(at, list(found)) if at is not None else (f"at={next(iter(found))!r}" if found else None),
        )
    return found[at]


def convergence(net: nn.Module, at: str | None = None) -> Convergence:
    """Convergence of the local layer `at` (None: the only one) by the criterion of its rule, `Rule.health`."""
    return local_layer(net, at).health()


def initialise(net: nn.Module, rule: Rule, seed: int = 0, at: str | None = None) -> None:
    """Draw the initial weights of the local layer called `at`, or of the only one, from `rule`, in place.

    The layer forgets any training, and `rule` becomes its rule.  The weights depend on the seed, the rule and the
    name of the layer.

    Raises:
        InputError: no such layer, a rule that does not fit it, or initial weights of the wrong shape.

    >>> from eigencode.rules import KrotovHopfield
    >>> net = nn.Sequential(LocalDense(torch.ones(500, 20), KrotovHopfield()))
    >>> initialise(net, KrotovHopfield(spread=0.1))
    >>> round(float(net[0].weight.std()), 2)
    0.1
    """
    admit(initialise, locals())
    layer = local_layer(net, at)
    name = next(n for n, found in local_layers(net).items() if found is layer)
    check_rule(name, layer, rule)
    weight = rule.init(len(layer.weight), layer.weight.shape[1], stream(seed, name))
    if weight.shape != layer.weight.shape or not bool(torch.isfinite(weight).all()):
        raise InputError(
            f"{type(rule).__name__}.init does not return initial weights for the layer {name!r}",
            got=f"{tuple(weight.shape)}, {int((~torch.isfinite(weight)).sum())} not finite",
            wanted=f"{tuple(layer.weight.shape)}, all finite",
        )
    with torch.no_grad():
        layer.weight.copy_(weight)
    layer.wins.fill_(-1)
    layer.rule = rule


def check_start(name: str, layer: LocalLayer, rule: Rule) -> None:
    """Refuse to train an untrained layer by a rule that starts from other weights than the rule of the layer.

    Both rules draw from the same generator; a layer that has been trained may go on with any rule.
    """
    if bool((layer.wins >= 0).any()) or rule == layer.rule:
        return
    mine, its = (r.init(len(layer.weight), layer.weight.shape[1], stream(0)) for r in (layer.rule, rule))
    if not torch.equal(mine, its):
        raise InputError(
            f"the layer {name!r} does not start as the rule says",
            got=f"initial weights of {layer.rule!r}",
            wanted=f"those of {rule!r}",
            fix=f"before training, models.initialise(net, rule, at={name!r})",
        )


def check_rule(name: str, layer: LocalLayer, rule: Rule) -> None:
    """Refuse a rule whose settings or synapses are not those of the layer."""
    mine, its = layer.rule.layer_settings, rule.layer_settings
    for setting in {**mine, **its}:
        if mine.get(setting) != its.get(setting):
            raise InputError(
                f"rule and layer {name!r} disagree on {setting}",
                got=f"rule {its.get(setting)}, layer {mine.get(setting)}",
                wanted="the same value",
                fix=f"build the network with {setting}={its.get(setting)}",
            )
    expected, found = layer.synapses().detach().float(), rule.derive(layer.weight.detach()).float()
    if not torch.allclose(found, expected, rtol=2**-7, atol=1e-30, equal_nan=True):
        raise InputError(
            f"the layer {name!r} multiplies its input by another matrix than the rule",
            got=f"layer of {type(layer.rule).__name__}, rule {type(rule).__name__}",
            wanted="the same `derive`",
            fix=f"build the layer with this rule: models.{type(layer).__name__}(weight, rule)",
        )
