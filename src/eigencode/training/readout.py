"""Fit the linear read-out of a network by ridge regression in closed form, without gradient steps."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError, nearest
from eigencode.base.moments import Moments
from eigencode.base.record import Record
from eigencode.base.symmetric import gram
from eigencode.base.types import Images
from eigencode.representation._blaming import blaming
from eigencode.representation._modes import borrowed, device_of
from eigencode.training._checks import check_classes, check_logits, require
from eigencode.training._feed import DEVICE_NUMBERS, outputs
from eigencode.training._layer_inputs import input_of, settle_all, without_statistics

STRENGTHS = tuple(10.0**k for k in range(-6, 4))
"""Penalties to choose from, in units of the mean eigenvalue of the features' scatter matrix."""


@dataclass(frozen=True)
class ReadoutFit(Record):
    """A read-out fitted by `fit_readout`: penalty, and accuracy on the held-out part of the training images.

    `strength` is in units of the mean eigenvalue of the scatter matrix of the features of all images, `alpha` the
    same penalty in absolute units, the `alpha` of scikit-learn's `Ridge`.  `accuracies` belong to the `strengths`
    that were tried, `accuracy` is that of the chosen one, before the last fit to all images.
    """

    at: str
    strength: float
    alpha: float
    accuracy: float
    images: int
    held_out: int
    units: int
    dual: bool
    seconds: float
    strengths: Float[Tensor, " strength"]
    accuracies: Float[Tensor, " strength"]


def fit_readout(
    net: nn.Module,
    train: Images | Array,
    at: str = "readout",
    strength: float | None = None,
    seed: int = 0,
    *,
    held_out: float = 0.1,
    dual: bool | None = None,
) -> ReadoutFit:
    """Set weights and bias of a linear read-out in place to those of ridge regression on one-hot classes.

        minimise Σ_images ‖W z + b − y‖² + α ‖W‖²,   α = strength · mean eigenvalue of Σ (z − z̄)(z − z̄)ᵀ

    z are the inputs of the read-out, flattened, with the network in evaluation mode; b is not penalised.  A BatchNorm
    without affine part, if it has seen no data, first gets the exact statistics of its inputs.  The mean is
    over the min(images − 1, units that vary) eigenvalues that may be positive.  Everything is computed in float64.

    Args:
        net: any module whose output is that of the read-out.
        train: training images.
        at: dotted name of an `nn.Linear` with bias, or of a submodule whose last layer is one.
        strength: the penalty, > 0; None: the one of 1e-6, 1e-5, …, 1e3 whose fit to the other images classifies most
            of the held-out part correctly, the largest of equals.  The last fit is to all images.
        seed: seed of the choice of the held-out part.
        held_out: share of the training images in it.
        dual: solve for one coefficient per image instead of one per unit, which gives the same weights; None: if
            there are fewer images than units.  Memory in doubles: about 4 units² (19 GB for 24 576 units), the
            features batch by batch; or 2 images · units + 4 images² if dual.

    Raises:
        InputError: no such layer, a layer that is not the output of the network, or settings out of range.
    """
    admit(fit_readout, locals())
    require(
        "ridge read-out",
        (strength is None or 0 < strength < math.inf, "strength", strength, "None, or a finite number > 0"),
        (0 < held_out < 1, "held_out", held_out, "a share between 0 and 1"),
    )
    began = time.monotonic()
    train = Images.of(train, "train")
    check_classes(train, None, needs_validation=False)
    layer = readout_layer(net, at)
    rest, part = train.split(held_out, seed)
    settle_all(net, train, without_statistics(net, train))
    with borrowed(net), torch.no_grad():
        inputs, device = input_of(net, layer), device_of(net)
        _check_output(net, layer, inputs, train)

        def batches(images: Images) -> Iterator[tuple[Tensor, Tensor]]:
            size = max(1, min(5000, DEVICE_NUMBERS // layer.in_features))
            for i in range(0, len(images), size):
                some = images[i : i + size]
                z = torch.cat([part.flatten(1).double() for part in outputs(net, inputs, some)])
                yield z, F.one_hot(some.y.to(device), layer.out_features).double()

        if dual is None:
            dual = len(train) < layer.in_features
        solver = _OfImages if dual else _OfUnits
        system = solver.over(batches(rest))
        tried = STRENGTHS if strength is None else (strength,)
        fits = [system.weights(s)[:2] for s in tried]
        right = torch.zeros(len(tried), dtype=torch.int64)
        for z, y in batches(part):
            right += torch.stack([((z @ w.T + b).argmax(1) == y.argmax(1)).sum() for w, b in fits]).cpu()
        best = max(range(len(tried)), key=lambda i: (int(right[i]), tried[i]))
        system = system.with_more(batches(part))
        weight, bias, alpha = system.weights(tried[best])
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return ReadoutFit(
        at=at,
        strength=tried[best],
        alpha=alpha,
        accuracy=int(right[best]) / len(part),
        images=len(train),
        held_out=len(part),
        units=layer.in_features,
        dual=dual,
        seconds=time.monotonic() - began,
        strengths=torch.tensor(tried, dtype=torch.float64),
        accuracies=right.double() / len(part),
    )


Fit = tuple[Tensor, Tensor, float]
"""Weights (classes, units), bias, and the absolute penalty."""


@dataclass(frozen=True)
class _OfUnits:
    """Ridge regression from the moments of features and targets together."""

    moments: Moments
    classes: int

    @classmethod
    def over(cls, batches: Iterator[tuple[Tensor, Tensor]]) -> "_OfUnits":
        z, y = next(batches)
        return cls(Moments.of(torch.cat([z, y], 1)), y.shape[1]).with_more(batches)

    def with_more(self, batches: Iterator[tuple[Tensor, Tensor]]) -> "_OfUnits":
        more = (Moments.of(torch.cat([z, y], 1)) for z, y in batches)
        return _OfUnits(Moments.merged(chain([self.moments], more)), self.classes)

    def weights(self, strength: float) -> Fit:
        units = len(self.moments.mean) - self.classes
        scatter, mean = self.moments.scatter[:units, :units], self.moments.mean
        alpha = strength * _level(scatter, self.moments.n, int((scatter.diagonal() > 0).sum()))
        weight = _solve(scatter, self.moments.scatter[:units, units:], alpha).T
        return weight, mean[units:] - weight @ mean[:units], alpha


@dataclass(frozen=True)
class _OfImages:
    """The same in its dual form, from the features of all images."""

    z: Tensor
    y: Tensor

    @classmethod
    def over(cls, batches: Iterator[tuple[Tensor, Tensor]]) -> "_OfImages":
        z, y = zip(*batches, strict=True)
        return cls(torch.cat(z), torch.cat(y))

    def with_more(self, batches: Iterator[tuple[Tensor, Tensor]]) -> "_OfImages":
        more = self.over(batches)
        return _OfImages(torch.cat([self.z, more.z]), torch.cat([self.y, more.y]))

    @cached_property
    def products(self) -> tuple[Tensor, float]:
        """Products of all images, and the mean of their eigenvalues that may be positive."""
        products = gram((self.z - self.z.mean(0)).T)
        return products, _level(products, len(self.z), int((self.z != self.z[0]).any(0).sum()))

    def weights(self, strength: float) -> Fit:
        (products, level), mean, target = self.products, self.z.mean(0), self.y.mean(0)
        weight = _solve(products, self.y - target, strength * level).T @ (self.z - mean)
        return weight, target - weight @ mean, strength * level


def _level(matrix: Tensor, images: int, varying: int) -> float:
    """Mean of the eigenvalues that may be positive; 1 if all are zero, where any penalty gives weights of zero."""
    return float(matrix.trace()) / max(1, min(images - 1, varying)) or 1.0


def _solve(matrix: Tensor, right: Tensor, alpha: float) -> Tensor:
    shifted = matrix.clone()
    shifted.diagonal().add_(alpha)
    factor, failed = torch.linalg.cholesky_ex(shifted)
    if int(failed):
        raise InputError(
            "this penalty is too small for float64: features that depend on each other leave the read-out undetermined",
            got=f"a penalty of {alpha:.3g}",
            wanted="a larger strength, such as 1e-6, the smallest that is tried by default",
        )
    return torch.cholesky_solve(right, factor)


def readout_layer(net: nn.Module, at: str) -> nn.Linear:
    """The linear layer called `at`, or the last layer of the submodule of this name; refused if it is no such layer."""
    modules = dict(net.named_modules())
    if at not in modules:
        raise InputError("no such part to train", got=at, fix=nearest(at, [name for name in modules if name]))
    layer = list(modules[at].modules())[-1]
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        raise InputError(
            f"{at!r} is no linear read-out",
            got=type(layer).__name__ + " without bias" * isinstance(layer, nn.Linear),
            wanted="an nn.Linear with bias, or a submodule whose last layer is one",
        )
    if not {"weight", "bias"} <= layer._parameters.keys():
        raise InputError(
            f"the weights of {at!r} are computed from other tensors at every call",
            got="a weight or bias that is not a parameter of the layer, as after weight_norm or torch.nn.utils.prune",
            wanted="weights that can be set; take such a reparametrisation off the layer first",
        )
    return layer


def _check_output(net: nn.Module, layer: nn.Linear, inputs: Callable[[Tensor], Tensor], train: Images) -> None:
    """Refuse a layer whose output is not the output of the network."""
    x = train[:2].x.to(device_of(net))
    with blaming(net, x):
        z, logits = inputs(x), net(x.clone())
    check_logits(logits, train)
    rows = z.flatten(1)
    fits = rows.shape == (len(x), layer.in_features) and logits.shape == (len(x), layer.out_features)
    if not fits or not torch.allclose(F.linear(rows, layer.weight, layer.bias), logits, rtol=1e-4, atol=1e-6):
        raise InputError(
            "the output of the network is not that of its read-out",
            got=f"{type(layer).__name__} with input {tuple(z.shape)}, output of the network {tuple(logits.shape)}",
            wanted="a linear layer on one row of features per image, and nothing behind it",
        )
