"""Deep networks of local learning: SoftHebb stacks of convolutions, their twins, and the dense network for MNIST."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.precision import Precision
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models.layers import MaxPool2d, Readout, SampledBatchNorm2d, SoftWTA, Triangle
from eigencode.models.local import LocalConv2d, LocalDense
from eigencode.models.stack import Stack
from eigencode.rules.protocol import Rule
from eigencode.rules.softhebb import HardWTA, SoftHebb

Departure = Literal["detached mean", "sampled statistics", "published twin"]

DEPARTURES: dict[str, tuple[bool, ...]] = {
    "detached mean": (True, False),
    "sampled statistics": (True,),
    "published twin": (False,),
}
"""Deviations of the published code, and the values of `local` with which each makes sense."""

KERNEL = {1: 5}
"""Width of the kernel of a block; 3 for every block that is not listed."""


@dataclass(frozen=True)
class _Pool:
    """A pooling layer: its kind, kernel, stride and padding."""

    kind: Literal["max", "avg"]
    kernel: int
    stride: int
    padding: int

    def layer(self) -> nn.Module:
        return (MaxPool2d if self.kind == "max" else nn.AvgPool2d)(self.kernel, self.stride, self.padding)

    def size(self, side: int) -> int:
        """Side of the pooled map."""
        return (side + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class _Block:
    """Published settings of one block: η₀ and t of the rule, exponent of the Triangle, pooling."""

    rate: float
    inverse_temperature: float
    exponent: float
    pool: _Pool
    centred: bool = False


_MAX, _AVG, _HALVE = _Pool("max", 4, 2, 1), _Pool("avg", 4, 2, 1), _Pool("avg", 2, 2, 0)
_DEEP = (_Block(0.08, 1.0, 0.7, _AVG), _Block(0.005, 0.65, 0.7, _MAX), _Block(0.01, 0.45, 1.4, _AVG))
_LAST = _Block(0.01, 0.25, 1.0, _HALVE)

PRESETS: dict[int, tuple[_Block, ...]] = {
    1: (_Block(0.08, 1.0, 0.7, _AVG),),
    2: (_Block(0.08, 1.0, 0.7, _AVG), _Block(0.005, 0.65, 1.4, _MAX, centred=True)),
    3: (_Block(0.08, 1.0, 0.7, _MAX), _Block(0.005, 0.65, 1.4, _MAX), _LAST),
    4: (*_DEEP, _LAST),
    5: (*_DEEP, _LAST, _LAST),
}
"""Settings of all blocks, by depth: 1 to 3 published for CIFAR-10, 4 for STL-10; 5 is not published: 4 with its last
block repeated."""


def softhebb(
    train: Images | Array,
    depth: int = 3,
    width: int = 96,
    growth: int = 4,
    *,
    local: bool = True,
    competition: Literal["soft", "hard"] = "soft",
    dropout: float = 0.5,
    precision: Precision = "float32",
    departures: tuple[Departure, ...] | list[Departure] = (),
    seed: int = 0,
) -> Stack:
    """Build an untrained convolutional SoftHebb network for images of this shape and number of classes.

    Block i = 1 .. depth has the children `norm{i}` (BatchNorm without affine part), `conv{i}` (`LocalConv2d` with
    `width · growth^(i−1)` units, reflected padding), `triangle{i}` (`Triangle`) and `pool{i}`; then comes `readout`
    (`Readout`, with dropout).  The place `latent` is the last `pool`.  With depth 2, a Triangle of exponent 1,
    `centred2`, follows `conv2`, as in the published network of this depth.

    Train it as published, layer by layer for one epoch each, then its read-out:

        ec.train_local(net, train, epochs=1, lr=1.0, batch_size=10, decay="constant")
        ec.train_supervised(net, train, "readout", epochs=50, batch_size=64, schedule=ec.training.Schedule("halving"))

    Every layer has its own rule with the published rate, which `lr` multiplies.  The BatchNorm in front of a layer gets
    the exact statistics of the training images before the layer is trained (`train_local`).

    Args:
        train: images; only their shape and number of classes are used.
        depth: number of blocks, 1 to 5.
        width: units of the first block.
        growth: factor of the width from block to block; 4 as published.
        local: False: the same blocks with `nn.Conv2d` (He initialisation), for backpropagation.
        competition: `"soft"`: `rules.SoftHebb`; `"hard"`: `rules.HardWTA`.
        dropout: share of the code that the read-out loses in training.
        precision: of the matrix products of the rule, see `rules.Hebbian`.
        departures: deviations of the published code, by name.  `"detached mean"`: see `Triangle`.  `"sampled
            statistics"`: see `SampledBatchNorm2d`.  `"published twin"` (with `local=False`, depth ≤ 3):
            ReLU instead of Triangle, maximum pooling from depth 2 on, the initial weights of `nn.Conv2d`, and a third
            convolution of 1 × 1 in groups of two inputs.
        seed: seed of the initial weights.

    Raises:
        InputError: a setting out of range, or images too small for so many blocks.

    Source: Journé, Garcia Rodriguez, Guo and Moraitis, ICLR 2023 (arXiv 2209.11883), appendix, and the presets of
    their code, of which networks of depth 1 and 2 are not the first blocks of that of depth 3.

    >>> images = Images(torch.rand(5, 3, 32, 32), torch.tensor([0, 1, 2, 1, 0]))
    >>> net = softhebb(images, depth=2, width=4)
    >>> net.conv2.weight.shape, net.run(images.x, until="latent").shape
    (torch.Size([16, 36]), torch.Size([5, 16, 8, 8]))
    """
    admit(softhebb, locals())
    train = Images.of(train, "train")
    departures = tuple(departures)
    spec = {
        "kind": "softhebb",
        **{"depth": depth, "width": width, "growth": growth, "local": local, "competition": competition},
        **{"dropout": dropout, "precision": precision, "departures": list(departures), "seed": seed},
        **{"shape": list(train.shape), "classes": len(train.class_names)},
    }
    _check(spec)
    twin = "published twin" in departures
    layers: dict[str, nn.Module] = {}
    for i, channels, units, _ in _plan(spec):
        block = PRESETS[depth][i - 1]
        norm = SampledBatchNorm2d if "sampled statistics" in departures else nn.BatchNorm2d
        layers[f"norm{i}"] = norm(channels, affine=False)
        generator, kernel = stream(seed, f"conv{i}"), KERNEL.get(i, 3)
        if local:
            layers[f"conv{i}"] = _local(block, spec, channels, units, kernel, generator)
        elif twin:
            grouped = {"kernel": 1, "groups": _pairs(channels, units)} if i == 3 else {"kernel": kernel}
            layers[f"conv{i}"] = _convolution(channels, units, generator, default=True, **grouped)
        else:
            layers[f"conv{i}"] = _convolution(channels, units, generator, kernel)
        mean = "detached" if "detached mean" in departures else "exact"
        if block.centred and not twin:
            layers[f"centred{i}"] = Triangle(1.0, mean)  # type: ignore[arg-type]
        layers[f"triangle{i}"] = nn.ReLU() if twin else Triangle(block.exponent, mean)  # type: ignore[arg-type]
        layers[f"pool{i}"] = _twin_pool(depth, i).layer() if twin else block.pool.layer()
    layers["readout"] = Readout(code_size(spec), len(train.class_names), dropout, stream(seed, "readout"))
    return Stack(layers, shape=train.shape, places={"latent": f"pool{depth}"}, spec=spec)


def softhebb_dense(train: Images | Array, units: int = 2000, *, dropout: float = 0.0, seed: int = 0) -> Stack:
    """Build the untrained dense SoftHebb network with one hidden layer that was published for MNIST.

    Children: `encoder` (`LocalDense` with plain SoftHebb, t = 12), `activation` (softmax of 5 u), `readout`; places
    `latent` = `activation`.  Published training: `train_local(net, train, epochs=1, lr=1.0, batch_size=32,
    decay="constant")`, then 10 epochs of the read-out.

    Args:
        train: images; only their shape and number of classes are used.
        units: width of the hidden layer, ≥ 2.
        dropout: share of the code that the read-out loses in training.
        seed: seed of the initial weights.

    Source: Journé et al., ICLR 2023 (arXiv 2209.11883), the preset for MNIST of their code.

    >>> images = Images(torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> softhebb_dense(images, units=10)(images.x).shape
    torch.Size([5, 3])
    """
    admit(softhebb_dense, locals())
    if units < 2:
        raise InputError("a hidden layer needs at least two units", got=units, wanted=">= 2")
    train = Images.of(train, "train")
    spec = {"kind": "softhebb_dense", "units": units, "dropout": dropout, "seed": seed}
    spec |= {"shape": list(train.shape), "classes": len(train.class_names)}
    rule = SoftHebb(
        inverse_temperature=12.0, losers="hebbian", start=35.0, initial="positive", annealing=0.2, rate=0.045
    )
    layers: dict[str, nn.Module] = {
        "encoder": LocalDense(rule.init(units, train.inputs, stream(seed, "encoder")), rule),
        "activation": SoftWTA(5.0),
        "readout": Readout(units, len(train.class_names), dropout, stream(seed, "readout")),
    }
    return Stack(layers, shape=train.shape, places={"latent": "activation"}, spec=spec)


def code_size(spec: dict[str, Any]) -> int:
    """Number of inputs of the read-out of the network that `spec` describes.

    Raises:
        InputError: the images are too small for so many blocks.
    """
    *_, (_, _, units, (height, width)) = _plan(spec)
    return units * height * width


def _plan(spec: dict[str, Any]) -> Iterator[tuple[int, int, int, tuple[int, int]]]:
    """(number, input channels, units, size of the pooled map) of every block."""
    channels, *size = spec["shape"]
    for i, block in enumerate(PRESETS[spec["depth"]], start=1):
        units = spec["width"] * spec["growth"] ** (i - 1)
        reach = KERNEL.get(i, 3) // 2
        size = [block.pool.size(side) if side > reach else 0 for side in size]
        if min(size) < 1:
            raise InputError(
                "the images are too small for so many blocks",
                got=f"{' x '.join(map(str, spec['shape'][1:]))} pixels, depth {spec['depth']}",
                wanted=f"a depth of at most {i - 1}" if i > 1 else "at least 4 x 4 pixels",
            )
        yield i, channels, units, (size[0], size[1])
        channels = units


def _check(spec: dict[str, Any]) -> None:
    allowed = [name for name, values in DEPARTURES.items() if spec["local"] in values]
    for name, right, wanted in (
        ("depth", spec["depth"] in PRESETS, "1 to 5"),
        ("width", spec["width"] >= 2, "at least 2 units"),
        ("growth", spec["growth"] >= 1, "at least 1"),
        ("competition", spec["competition"] in ("soft", "hard"), "'soft' or 'hard'"),
        ("departures", set(spec["departures"]) <= set(allowed), f"any of {', '.join(map(repr, allowed))}"),
        ("depth", spec["depth"] <= 3 or "published twin" not in spec["departures"], "1 to 3 for the published twin"),
    ):
        if not right:
            raise InputError(f"softhebb: {name} is out of range", got=spec[name], wanted=wanted)


def _local(
    block: _Block, spec: dict[str, Any], channels: int, units: int, kernel: int, generator: torch.Generator
) -> LocalConv2d:
    common: dict[str, Any] = {"rate": block.rate, "precision": spec["precision"]}
    soft = SoftHebb(inverse_temperature=block.inverse_temperature, centred=block.centred, **common)
    rule: Rule = soft if spec["competition"] == "soft" else HardWTA(**common)
    weight = rule.init(units, channels * kernel**2, generator)
    return LocalConv2d(weight, rule, kernel, padding=kernel // 2, padding_mode="reflect")


def _convolution(
    channels: int, units: int, generator: torch.Generator, kernel: int, groups: int = 1, default: bool = False
) -> nn.Conv2d:
    """A convolution without bias and with reflected padding.

    Initial weights: He, N(0, 2 / inputs), or if `default` those of `nn.Conv2d`, U(−1/√inputs, 1/√inputs).
    """
    shape = {"padding": kernel // 2, "padding_mode": "reflect", "groups": groups, "bias": False}
    layer = nn.Conv2d(channels, units, kernel, **shape, device="meta")  # type: ignore[arg-type]
    inputs, weight = channels // groups * kernel**2, torch.empty(layer.weight.shape)
    if default:
        weight.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
    else:
        weight.normal_(0, (2 / inputs) ** 0.5, generator=generator)
    layer.weight = nn.Parameter(weight)
    return layer


def _twin_pool(depth: int, block: int) -> _Pool:
    """Pooling of the published twin for backpropagation."""
    return _AVG if depth == 1 else _Pool("max", 2, 2, 0) if block == 3 else _MAX


def _pairs(channels: int, units: int) -> int:
    """Number of groups of a convolution with two input channels per group; 1 if they cannot be divided so."""
    return channels // 2 if channels % 2 == 0 and units % (channels // 2) == 0 else 1
