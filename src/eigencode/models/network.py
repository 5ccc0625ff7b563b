"""The one architecture of the paper: norm → encoder → activation → read-out, with named places."""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.seeding import stream
from eigencode.base.types import Images
from eigencode.models.layers import Dense, KrotovHopfieldEncoder, RePU, UnitNorm
from eigencode.representation.layers import OneLayer, chain_to
from eigencode.rules.synapses import start as draw


class Network(nn.Module):
    """One hidden layer on unit-norm images.  Takes pixels in [0, 1], returns logits.

    Children, in order: `norm` (UnitNorm), `encoder`, `activation` (RePU), `batch_norm` if asked for (after the
    nonlinearity, as in the paper's SpecReg networks), `readout` (linear with bias).

    Places for `ec.at`: `input` (after `norm`), `encoder` (pre-activation h), `latent` (after ReLU^n, before any
    BatchNorm), `batch_norm` (after it), `logits`.

    `spec` holds the arguments that built it: with the weights, everything needed to build it again.
    """

    places: ClassVar[dict[str, str]] = {"latent": "activation"}

    def __init__(
        self,
        encoder: Dense | KrotovHopfieldEncoder,
        shape: tuple[int, int, int],
        classes: int,
        *,
        n: float,
        norm_p: float,
        batch_norm: bool,
        generator: torch.Generator,
        spec: dict[str, Any],
    ) -> None:
        super().__init__()
        units = len(encoder.weight)
        self.shape = shape
        self.spec = spec
        self.norm = UnitNorm(norm_p)
        self.encoder = encoder
        self.activation = RePU(n)
        if batch_norm:
            self.batch_norm = nn.BatchNorm1d(units)
        self.readout = nn.Linear(units, classes, device="meta")
        bound = 1 / math.sqrt(units)  # the default of nn.Linear, drawn from a stream of its own
        for name in ("weight", "bias"):
            empty = getattr(self.readout, name)
            values = torch.empty(empty.shape).uniform_(-bound, bound, generator=generator)
            setattr(self.readout, name, nn.Parameter(values))

    @property
    def units(self) -> int:
        """Width of the hidden layer."""
        return len(self.encoder.weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.from_unit(self.to_unit(x))

    def to_unit(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Unit-norm images.

        Raises:
            InputError: images of another shape than the network was built for.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != self.shape:
            raise InputError(
                "the images do not fit this network",
                got=tuple(x.shape),
                wanted=f"(N, {', '.join(map(str, self.shape))})",
                fix="build the network on the data set it is used with",
            )
        unit: Tensor = self.norm(x)
        return unit

    def from_unit(self, u: Float[Tensor, "n *image"]) -> Float[Tensor, "n classes"]:
        """Logits as a function of unit-norm images."""
        return self.head(self.activation(self.encoder(u)))

    def representation(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n units"]:
        """The latent representation of images."""
        z: Tensor = self.activation(self.encoder(self.to_unit(x)))
        return z

    def as_layers(self, place: str) -> tuple[OneLayer, ...] | None:
        """The layers from unit-norm images to `place`, for the closed forms of `geometry` and `penalties`."""
        return chain_to(self, place)

    def head(self, z: Float[Tensor, "n units"]) -> Float[Tensor, "n classes"]:
        """Logits from the latent representation: BatchNorm, if there is one, and the linear read-out."""
        logits: Tensor = self.readout(self.batch_norm(z) if hasattr(self, "batch_norm") else z)
        return logits


def krotov_hopfield(
    train: Images,
    units: int = 400,
    p: float = 3.0,
    n: float = 4.5,
    *,
    radius: float = 1.0,
    spread: float = 1.0,
    norm_p: float = 3.0,
    seed: int = 0,
) -> Network:
    """An untrained Krotov–Hopfield network for these images: train it with `train_local`, then its read-out.

    Args:
        train: images that fix the number of inputs and classes; nothing else of them is used.
        units: width of the hidden layer, ≥ 2.
        p: exponent of the rule (also of the synapses, sign(W)|W|^(p−1)).
        n: power of the rectifier.
        radius: R of the rule.
        spread: standard deviation of the initial weights, 1 in the paper; see `rules.KrotovHopfield`.
        norm_p: images are scaled to unit L`norm_p` norm.
        seed: of the initial weights.

    >>> images = Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> net = krotov_hopfield(images, units=10)
    >>> net.encoder.weight.shape, net(images.x).shape
    (torch.Size([10, 64]), torch.Size([5, 3]))
    """
    spec = {"kind": "krotov_hopfield", "units": units, "p": p, "n": n, "radius": radius, "spread": spread}
    _check_units(units)
    weight = draw(units, train.inputs, spread, stream(seed, "encoder"))
    encoder = KrotovHopfieldEncoder(weight, p=p, radius=radius)
    return _network(encoder, train, n, norm_p, False, seed, {**spec, "norm_p": norm_p, "batch_norm": False})


def perceptron(
    train: Images,
    units: int = 400,
    batch_norm: bool = False,
    *,
    n: float = 1.0,
    norm_p: float = 3.0,
    seed: int = 0,
) -> Network:
    """An untrained perceptron with one hidden layer: the same children and places, trained end to end.

    The encoder has no bias and He initialisation; `batch_norm` puts a BatchNorm after the ReLU (the paper's
    SpecReg networks).  Other arguments as in `krotov_hopfield`.

    >>> images = Images(torch.linspace(0, 1, 320).reshape(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))
    >>> [name for name, _ in perceptron(images, units=10).named_children()]
    ['norm', 'encoder', 'activation', 'readout']
    """
    spec = {"kind": "perceptron", "units": units, "batch_norm": batch_norm, "n": n, "norm_p": norm_p}
    _check_units(units)
    encoder = Dense(train.inputs, units, stream(seed, "encoder"))
    return _network(encoder, train, n, norm_p, batch_norm, seed, spec)


def _network(
    encoder: Dense | KrotovHopfieldEncoder,
    train: Images,
    n: float,
    norm_p: float,
    batch_norm: bool,
    seed: int,
    spec: dict[str, Any],
) -> Network:
    return Network(
        encoder,
        train.shape,
        len(train.class_names),
        n=n,
        norm_p=norm_p,
        batch_norm=batch_norm,
        generator=stream(seed, "readout"),
        spec={**spec, "seed": seed, "shape": list(train.shape), "classes": len(train.class_names)},
    )


def _check_units(units: int) -> None:
    if units < 2:
        raise InputError("a hidden layer needs at least two units", got=units, wanted=">= 2")
