"""The networks of arXiv 2405.00679, with one hidden layer: norm → encoder → activation → read-out."""

import math
from typing import Any, Literal

import torch
from torch import nn

from eigencode.base.arrays import Array
from eigencode.base.border import admit
from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models.layers import Dense, RePU, UnitNorm
from eigencode.models.local import LocalDense
from eigencode.models.stack import Stack


def krotov_hopfield(
    train: Images | Array,
    units: int = 400,
    p: float = 3.0,
    n: float = 4.5,
    *,
    radius: float = 1.0,
    spread: float = 1.0,
    norm_p: float = 3.0,
    seed: int = 0,
) -> Stack:
    """Build an untrained Krotov–Hopfield network for images of this shape and number of classes.

    Train it with `train_local`, then its read-out with `train_supervised(net, train, "readout")`.

    Children, in order: `norm` (UnitNorm), `encoder`, `activation` (RePU), `readout` (linear with bias).  Places for
    `ec.at`: `input` (after `norm`), `encoder` (pre-activation h), `latent` (after ReLU^n), `logits`.

    Args:
        train: images; only their shape and number of classes are used.
        units: width of the hidden layer, ≥ 2.
        p: exponent of the rule (also of the synapses, sign(W)|W|^(p−1)).
        n: power of the rectifier.
        radius: R of the rule.
        spread: standard deviation of the initial weights, 1 in the paper; see `rules.KrotovHopfield`.
        norm_p: images are scaled to unit L`norm_p` norm.
        seed: seed of the initial weights.

    >>> images = Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> net = krotov_hopfield(images, units=10)
    >>> net.encoder.weight.shape, net(images.x).shape
    (torch.Size([10, 64]), torch.Size([5, 3]))
    """
    admit(krotov_hopfield, locals())
    from eigencode.rules.krotov_hopfield import KrotovHopfield  # imported here because only this network needs it

    spec = {"kind": "krotov_hopfield", "units": units, "p": p, "n": n, "radius": radius, "spread": spread}
    _check_units(units)
    train = Images.of(train, "train")
    rule = KrotovHopfield(p=p, radius=radius, spread=spread)
    encoder = LocalDense(rule.init(units, train.inputs, stream(seed, "encoder")), rule)
    return _one_hidden_layer(encoder, train, units, {**spec, "norm_p": norm_p, "batch_norm": False, "seed": seed})


def perceptron(
    train: Images | Array,
    units: int = 400,
    batch_norm: bool = False,
    *,
    n: float = 1.0,
    activation: Literal["relu", "tanh"] = "relu",
    dropout: float = 0.0,
    norm_p: float = 3.0,
    seed: int = 0,
) -> Stack:
    """Build an untrained perceptron with one hidden layer, for end-to-end training by gradient.

    Children and places are those of `krotov_hopfield`.  The encoder has no bias and He initialisation; `batch_norm`
    puts a BatchNorm after the ReLU (the paper's SpecReg networks), a child and place `batch_norm`.  `activation="tanh"`
    is that of Nassar et al. 2020, in place of max(h, 0)^n.  `dropout` is the share of the code, in [0, 1),
    that an `nn.Dropout` of this name sets to zero in training.  Other arguments as in `krotov_hopfield`.

    >>> images = Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> [name for name, _ in perceptron(images, units=10).named_children()]
    ['norm', 'encoder', 'activation', 'readout']
    """
    admit(perceptron, locals())
    spec: dict[str, Any] = {"kind": "perceptron", "units": units, "batch_norm": batch_norm, "n": n, "norm_p": norm_p}
    if activation == "tanh":
        if n != 1.0:
            raise InputError("tanh has no power n", got=n, wanted="n=1")
        spec["activation"] = activation
    elif activation != "relu":
        raise InputError("unknown activation", got=activation, wanted="'relu' or 'tanh'")
    if dropout:
        if not 0 < dropout < 1:
            raise InputError("perceptron: dropout is out of range", got=dropout, wanted="a share in [0, 1)")
        spec["dropout"] = dropout
    _check_units(units)
    train = Images.of(train, "train")
    encoder = Dense(train.inputs, units, stream(seed, "encoder"))
    return _one_hidden_layer(encoder, train, units, {**spec, "seed": seed})


def _one_hidden_layer(encoder: nn.Module, train: Images, units: int, spec: dict[str, Any]) -> Stack:
    layers: dict[str, nn.Module] = {
        "norm": UnitNorm(spec["norm_p"]),
        "encoder": encoder,
        "activation": nn.Tanh() if spec.get("activation") == "tanh" else RePU(spec["n"]),
        **({"batch_norm": nn.BatchNorm1d(units)} if spec["batch_norm"] else {}),
        **({"dropout": nn.Dropout(spec["dropout"])} if spec.get("dropout") else {}),
        "readout": nn.Linear(units, len(train.class_names), device="meta"),
    }
    bound = 1 / math.sqrt(units)  # the default initialisation of nn.Linear, drawn from its own random stream
    generator = stream(spec["seed"], "readout")
    for name in ("weight", "bias"):
        empty = getattr(layers["readout"], name)
        values = torch.empty(empty.shape).uniform_(-bound, bound, generator=generator)
        setattr(layers["readout"], name, nn.Parameter(values))
    spec = {**spec, "shape": list(train.shape), "classes": len(train.class_names)}
    return Stack(layers, shape=train.shape, places={"latent": "activation"}, spec=spec)


def _check_units(units: int) -> None:
    if units < 2:
        raise InputError("a hidden layer needs at least two units", got=units, wanted=">= 2")
